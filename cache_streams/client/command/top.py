"""``top``: the whole screen for what moves, until q or Ctrl-C; the terminal is left as it was found."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cache_streams.client.command.board import Board, Flow, Market, middle
from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.output import Output, coloured
from cache_streams.client.command.session import Session
from cache_streams.client.command.wishes import fields_of, named
from cache_streams.client.errors import RequestRefused
from cache_streams.client.gateway import Gateway
from cache_streams.client.subscription import Subscription
from cache_streams.protocol.native.frames import Status
from cache_streams.streams import by_name

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

SCREENS_PER_S = 4
BESIDE_MARKETS = 4
"""Lines of the screen that are not markets."""
STALE_S = 60.0


async def top(session: Session, asked: argparse.Namespace, _output: Output) -> None:
    """Show the screen until it is ended. Raises: Stopped, ClientError."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        raise Stopped(Exit.USAGE, "top needs the package rich: pip install 'fullon-stream[cli]'") from None
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise Stopped(Exit.USAGE, "top needs a terminal; `tail --json` is for pipes")
    board = Board()

    def status(told: Status) -> None:
        if isinstance(told.stream, str):
            board.tell(told.stream, told.state)

    console = Console(no_color=not coloured(sys.stdout), highlight=False)
    async with session.gateway(on_status=status) as gateway, asyncio.TaskGroup() as tasks:
        for subscription in await _subscribed(gateway, asked.exchanges):
            tasks.create_task(_read(subscription, board))
        ended = asyncio.Event()
        with _keys(ended), Live(console=console, screen=True, auto_refresh=False) as live:
            while not ended.is_set():
                live.update(_screen(board, gateway, console.height), refresh=True)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), 1 / SCREENS_PER_S)
        await gateway.close()


async def _subscribed(
    gateway: Gateway, exchanges: list[str]
) -> list[Subscription[Any]]:  # Any: whichever stream
    """Follow everything that this user may read, the markets of some exchanges if they are named. Raises: Stopped."""
    made: list[Subscription[Any]] = []  # Any: as above
    for stream in gateway.welcome.streams:
        if stream not in by_name:
            continue  # a newer server's: how its keys are named is not known here
        for words in (
            [[exchange] for exchange in exchanges]
            if fields_of(stream)[0] == "exchange" and exchanges
            else [[]]
        ):
            with contextlib.suppress(Stopped):  # nothing of it exists yet
                wanted = await named(gateway, stream, words)
                made.append(gateway.subscribe(stream, wanted.key, snapshot=stream == "tickers"))
    return made


async def _read(subscription: Subscription[Any], board: Board) -> None:  # Any: as above
    with contextlib.suppress(RequestRefused):  # a stream that may not be read has no line
        async for message in subscription:
            board.take(message, time.time())


@contextlib.contextmanager
def _keys(ended: asyncio.Event) -> Iterator[None]:
    """Let q end it; keys are read one by one, and not shown."""
    number, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(number)

    def pressed() -> None:
        if os.read(number, 64).lower().startswith((b"q", b"\x04")):
            ended.set()

    tty.setcbreak(number)
    loop.add_reader(number, pressed)
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _screen(board: Board, gateway: Gateway, height: int) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    now = time.time()
    counters, state = gateway.counters, gateway.state
    reason = f": {state.reason}" if state.reason else ""
    head = Text(
        f"{state.name}{reason}   {len(board.markets)} markets   {counters.frames} frames   ", style="bold"
    )
    head.append(f"{counters.connections} connections   q ends", style="dim")
    flows = _flows(sorted(board.flows.values(), key=lambda flow: flow.name), now)
    room = max(1, height - BESIDE_MARKETS - len(board.flows))
    return Group(head, flows, _markets(board.busiest(now, room), now))


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, expand=True, header_style="dim", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _flows(flows: list[Flow], now: float) -> Table:
    table = _table("stream", "updates/s", "lag", "source lag", "state")
    for flow in flows:
        state = flow.state if flow.state == "live" else f"[yellow]{flow.state}[/]"
        table.add_row(
            flow.name,
            f"{flow.total.rate_at(now):.1f}",
            _ms(middle(flow.lags_s)),
            _ms(middle(flow.sources_s)),
            state,
        )
    return table


def _markets(markets: list[Market], now: float) -> Table:
    from rich.text import Text

    table = _table("market", "price", "age", "updates/s", "skipped")
    for market in markets:
        age = None if market.stamped_at is None else max(0.0, now - market.stamped_at)
        colour = {1: "green", -1: "red"}.get(market.move, "")
        table.add_row(
            Text(market.key),
            Text("" if market.price is None else f"{market.price:,.8g}", style=colour),
            Text(_age(age), style="yellow" if age is not None and age > STALE_S else ""),
            f"{market.rate_at(now):.1f}",
            str(market.skipped or ""),
        )
    return table


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f} ms"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
