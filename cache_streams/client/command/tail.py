"""``tail`` and ``replay``: the messages of a subscription, one after another."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cache_streams.client import Begun, Policy, State, Status
from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.lines import Lines
from cache_streams.client.command.output import Colour, Output, plain
from cache_streams.client.command.session import Session
from cache_streams.client.command.wishes import Named, named
from cache_streams.client.messages import Message
from cache_streams.client.streams import Options
from cache_streams.client.subscription import Subscription

_AGO = re.compile(r"-?(\d+(?:\.\d+)?)([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?\Z")


class Remarks:
    """Says beside the output when the connection is lost and back, and when sources fall silent."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lost = False

    def state(self, state: State) -> None:
        """Tell what the connection does, once it was open."""
        if state.name == "waiting":
            self._lost = True
            self._output.remark(
                f"connection lost: {state.reason}; next attempt in {state.retry_s:.1f} s", Colour.WARNING
            )
        elif state.name == "draining":
            self._output.remark(f"this server stops soon; changing over in {state.retry_s:.1f} s")
        elif state.name == "open" and self._lost:
            self._lost = False
            self._output.remark("connected again")

    def status(self, status: Status) -> None:
        """Tell which source fell silent or is back."""
        if isinstance(status.stream, str):
            age = f" for {status.age_s:.0f} s" if isinstance(status.age_s, float | int) else ""
            where = (
                f"{status.stream} {status.partition}" if isinstance(status.partition, str) else status.stream
            )
            self._output.remark(
                f"{where} is {status.state}{age}", Colour.DIM if status.state == "live" else Colour.WARNING
            )

    def begun(self, begun: Begun) -> None:
        """Tell what resuming came to."""
        for warning in begun.warnings:
            self._output.remark(warning, Colour.WARNING)
        if begun.recovered is False:
            self._output.remark("what happened meanwhile is gone; the state follows", Colour.WARNING)


async def tail(session: Session, asked: argparse.Namespace, output: Output) -> None:
    """Show state and changes until enough were shown. Raises: Stopped, ClientError."""
    options: Options = {"policy": Policy.BLOCK}
    if asked.mode is not None:
        options["mode"] = asked.mode
    if asked.interval_ms is not None:
        options["interval_ms"] = asked.interval_ms
    if asked.since is not None:
        options["since"] = asked.since
    if asked.no_snapshot:
        options["snapshot"] = False
    left = asked.count

    def enough(_message: Message[Any]) -> bool:  # Any: whichever stream
        nonlocal left
        left = None if left is None else left - 1
        return left == 0

    await _follow(session, asked, output, options, enough)


async def replay(session: Session, asked: argparse.Namespace, output: Output) -> None:
    """Show what happened, until it has reached the present. Raises: Stopped, ClientError."""
    options: Options = {
        "policy": Policy.BLOCK,
        "replay_from": moment(asked.begin, time.time()),
        "replay_speed": asked.speed,
    }
    shown = 0

    def live(message: Message[Any]) -> bool:  # Any: as above
        nonlocal shown
        shown += 1
        at = message.source_time or message.relay_time
        if message.replay and at is not None:
            output.progress(
                f"replaying {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))} at {asked.speed} times the speed, {shown} shown"
            )
        return False

    await _follow(session, asked, output, options, live, ends=not asked.to_live)


async def _follow(
    session: Session,
    asked: argparse.Namespace,
    output: Output,
    options: Options,
    enough: Callable[[Message[Any]], bool],  # Any: whichever stream
    *,
    ends: bool = False,
) -> None:
    remarks, lines = Remarks(output), Lines(output)
    following: list[Subscription[Any]] = []  # Any: as above
    arrived: set[int] = set()

    def status(told: Status) -> None:
        if told.state == "live" and isinstance(told.sub, int):
            arrived.add(told.sub)
        for subscription in following:
            if ends and len(arrived) >= len(subscription.following.followed) > 0:
                subscription.unsubscribe()  # what came before is still read
        remarks.status(told)

    async with session.gateway(remarks.state, status) as gateway:
        wanted = await named(gateway, asked.stream, asked.key)
        subscription = gateway.subscribe(wanted.stream, wanted.key, **options)
        following.append(subscription)
        async with subscription:
            remarks.begun(await subscription.begun())
            async for message in subscription:
                if _show(message, wanted, output, lines) and enough(message):
                    return


def _show(message: Message[Any], wanted: Named, output: Output, lines: Lines) -> bool:  # Any: as above
    if not wanted.shown(message.key):
        return False
    if output.as_json:
        output.json(plain(message))
    else:
        for line in lines.of(message):
            output.line(line)
    return True


def moment(text: str, now: float) -> float | str:
    """Return when a person means: Unix seconds, or a cursor as it is. Raises: Stopped."""
    ago = _AGO.match(text)
    if ago is not None:
        return now - float(ago[1]) * _SECONDS[ago[2]]
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if _CLOCK.match(text):
        today = datetime.fromtimestamp(now).astimezone().date().isoformat()
        text = f"{today}T{text.zfill(8 if text.count(':') > 1 else 5)}"
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        if "." in text and "-" in text:
            return text
        raise Stopped(Exit.USAGE, f"--from: {text!r} is no time and no cursor") from None
