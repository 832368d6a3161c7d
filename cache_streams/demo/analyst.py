"""The agent of a demo deployment: now and then it looks prices up, says what it thinks, and answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count, cycle

from channels.db import database_sync_to_async
from django.db import DatabaseError

from accounts.selectors import identity_named
from cache_streams.agents.grammar import Ending
from cache_streams.agents.refusals import AgentRefused
from cache_streams.agents.reporting import Report
from cache_streams.agents.rights import Caller, caller_from
from cache_streams.agents.services import start_run
from cache_streams.agents.wire import read_start
from cache_streams.demo.market import EXCHANGES, Market, rounded

NAME = "price-scout"
_PAUSE_S = 30.0
_STEP_S = 1.2
_SYMBOLS = 3  # so many markets are asked about, in turn
_FAILS_EVERY = 4  # every so many runs one exchange does not answer, so that a failed tool is seen too

Say = Callable[[str], None]


@asynccontextmanager
async def at_work(mail: str, market: Market, say: Say) -> AsyncIterator[None]:
    """Let an agent of the user with this mail address work while the block runs."""
    task = asyncio.create_task(Analyst(mail, market, say).work(), name="demo agent")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Analyst:
    """One run each ``pause_s``, one event each ``step_s``; its tool looks into ``market``."""

    def __init__(
        self, mail: str, market: Market, say: Say, *, pause_s: float = _PAUSE_S, step_s: float = _STEP_S
    ) -> None:
        self._mail, self._market, self._say = mail, market, say
        self._pause_s, self._step_s = pause_s, step_s

    async def work(self) -> None:
        """Work until cancelled; a run under way is then ended as cancelled. Without its user it does nothing."""
        symbols = cycle(self._market.symbols[:_SYMBOLS])
        for number in count(1):
            try:
                identity = await database_sync_to_async(identity_named)(self._mail)
                if identity is None:
                    self._say(f"Demo agent: there is no user {self._mail}; no agent works.")
                    return
                await self._run(caller_from(identity), next(symbols), number)
            except (AgentRefused, DatabaseError) as exc:  # the market goes on without it
                self._say(f"Demo agent: a run was not stored ({type(exc).__name__}).")
            await asyncio.sleep(self._pause_s)

    async def _run(self, caller: Caller, symbol: str, number: int) -> None:
        task = f"Where is {symbol} cheaper now, at {' or at '.join(EXCHANGES)}?"
        started = await database_sync_to_async(start_run)(
            caller, read_start({"agent_name": NAME, "task": task})
        )
        report = Report(caller, started.run_id)
        try:
            await self._compare(report, symbol, fails=number % _FAILS_EVERY == 0)
        except asyncio.CancelledError:
            await report.ended(Ending.CANCELLED, "The demo was stopped.")
            raise

    async def _compare(self, report: Report, symbol: str, *, fails: bool) -> None:
        await self._think(report, f"I need the price of {symbol} at each exchange.")
        prices = {exchange: await self._look_up(report, exchange, symbol) for exchange in EXCHANGES[:-1]}
        last = EXCHANGES[-1]
        if fails:
            await self._look_up(report, last, symbol, error="The exchange did not answer.")
            known = ", ".join(f"{exchange} {price:,}" for exchange, price in prices.items())
            await report.ended(Ending.PARTIAL, f"{last} did not answer. I only know: {known}.")
            return
        prices[last] = await self._look_up(report, last, symbol)
        cheapest, dearest = min(prices, key=prices.__getitem__), max(prices, key=prices.__getitem__)
        saved = rounded(prices[dearest] - prices[cheapest])
        await self._think(report, f"They differ by {saved:,}.")
        answer = (
            f"At {cheapest}: {symbol} costs {prices[cheapest]:,} there, {saved:,} less than at {dearest}."
        )
        await report.ended(Ending.SUCCESS, answer)

    async def _think(self, report: Report, thought: str) -> None:
        await asyncio.sleep(self._step_s)
        await report.thinking(thought)

    async def _look_up(self, report: Report, exchange: str, symbol: str, error: str | None = None) -> float:
        await asyncio.sleep(self._step_s)
        execution_id = await report.executing("get_ticker", {"exchange": exchange, "symbol": symbol})
        began = time.monotonic()
        await asyncio.sleep(self._step_s)
        price = self._market.price(exchange, symbol)
        results = {"price": price} if error is None else None
        duration_s = time.monotonic() - began
        await report.completed("get_ticker", execution_id, results, duration_s=duration_s, error=error)
        return price
