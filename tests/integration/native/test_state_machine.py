"""A client that subscribes, resumes, is cut, slows down and changes its mind, against a live gateway and a model.

Whatever it does in whatever order: old snapshot + updates = new snapshot; in mode *every* each update once, in order, over all
continuous resumes; where the past is gone it is told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from tests.integration.native.client import Native, opened
from tests.integration.native.model import Slot, Written, seen
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, trade
from tests.integration.wire.rpc_client import Frame
from tests.live import LiveServer

DEADLINE_S = 60.0
SYMBOLS = ("A/B", "C/D")
MODES = st.sampled_from(["every", "latest", "sample"])
SLOTS = ("trades A/B", "trades C/D", "tickers", "orders")
RECEIVE_BUFFER = 16 * 1024
BURST = 2000
"""Trades in one go: more than fits into all the buffers of a socket that is not read."""


class Machine(RuleBasedStateMachine):
    """One client, one exchange of its own, one writer."""

    server: ClassVar[LiveServer]
    deadline_s: ClassVar[float] = DEADLINE_S

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis = Redis.from_url(self.server.redis_url, socket_timeout=10.0)
        self.collector = Collector(self.redis)
        self.exchange, self.account = fresh_name(), str(fresh_account())
        self.written = Written()
        self.number = 0
        self.slots = {
            "trades A/B": Slot("trades", {"exchange": self.exchange, "symbol": "A/B"}),
            "trades C/D": Slot("trades", {"exchange": self.exchange, "symbol": "C/D"}),
            "tickers": Slot("tickers", {"exchange": self.exchange, "symbol": "*"}),
            "orders": Slot("orders", {"exchange": self.exchange, "account": self.account}),
        }
        self.trimmed: dict[str, str] = {}
        self.socket: Native | None = None
        self.stack = AsyncExitStack()
        self.slow = self.broken = False

    # -- the client -----------------------------------------------------------------------------------------------

    @initialize(modes=st.tuples(MODES, MODES, MODES, MODES), trades=st.booleans())
    def connect(self, modes: tuple[str, ...], trades: bool) -> None:
        """Begin with everything subscribed to, before or after there is something to tell."""
        if trades:
            self.push_trades("A/B", 3)
        self._do(self._connect())
        for slot, mode in zip(self.slots.values(), modes, strict=True):
            self._do(self._subscribe(slot, mode, resume=False))

    async def _connect(self) -> None:
        self.socket = await self.stack.enter_async_context(opened(self.server, receive_buffer=RECEIVE_BUFFER))

    @rule(name=st.sampled_from(SLOTS), mode=MODES, again=st.booleans())
    @precondition(lambda self: self.reading)
    def subscribe(self, name: str, mode: str, again: bool) -> None:
        """Subscribe, or, to what is subscribed already, change the mode: from the cursor if ``again``, else afresh."""
        self._do(self._subscribe(self.slots[name], mode, resume=again))

    @rule(name=st.sampled_from(SLOTS))
    @precondition(lambda self: self.reading)
    def unsubscribe(self, name: str) -> None:
        slot = self.slots[name]
        if slot.mode is not None:
            self._do(self._ask("unsubscribe", sub=slot.sub))
            slot.mode = None

    @rule()
    @precondition(lambda self: self.socket is not None)
    def cut(self) -> None:
        """Lose the connection, with everything that was on its way."""
        self._do(self._cut())

    async def _cut(self) -> None:
        assert self.socket is not None
        self.socket.connection.transport.abort()
        await self.stack.aclose()
        self.socket, self.slow = None, False

    @rule(mode=st.none() | MODES)
    @precondition(lambda self: self.socket is None)
    def resume(self, mode: str | None) -> None:
        """Come back and go on with every subscription where it was; in other modes, if ``mode`` says so."""
        self._do(self._connect())
        for slot in self.slots.values():
            if slot.mode is not None:
                self._do(self._subscribe(slot, mode or slot.mode, resume=True))

    @rule(symbol=st.sampled_from(SYMBOLS))
    @precondition(lambda self: self.reading)
    def slow_down(self, symbol: str) -> None:
        """Read nothing any more, while more comes than the buffers take: the subscriptions go cold."""
        assert self.socket is not None
        self.socket.connection.transport.pause_reading()
        self.slow = True
        self.push_trades(symbol, BURST)

    @rule()
    @precondition(lambda self: self.slow)
    def go_on(self) -> None:
        assert self.socket is not None
        self.socket.connection.transport.resume_reading()
        self.slow = False

    # -- the writer -----------------------------------------------------------------------------------------------

    @rule(symbol=st.sampled_from(SYMBOLS), count=st.sampled_from([1, 3, 20]))
    def push_trades(self, symbol: str, count: int) -> None:
        self.number += count
        numbers = range(self.number - count, self.number)
        self.collector.trades(self.exchange, symbol, *(trade(n, symbol=symbol) for n in numbers))
        self.written.trades.setdefault(f"{self.exchange}:{symbol}", []).extend(str(n) for n in numbers)

    @rule(symbol=st.sampled_from(SYMBOLS), count=st.sampled_from([1, 5]))
    def tick(self, symbol: str, count: int) -> None:
        for _ in range(count):
            self.number += 1
            self.collector.tick(self.exchange, symbol, price=float(self.number))
            self.written.prices.setdefault(f"{self.exchange}:{symbol}", []).append(float(self.number))

    @rule(order=st.sampled_from(["O1", "O2", "O3"]), gone=st.booleans())
    def order(self, order: str, gone: bool) -> None:
        held = self.written.orders.setdefault(f"{self.exchange}:account:{self.account}", {})
        if gone and order in held:
            self.collector.do("HDEL", f"order_status:{self.exchange}", order)
            del held[order]
        else:
            self.number += 1
            held[order] = float(self.number)
            self.collector.order(
                self.exchange, order, ex_id=self.account, uid=None, volume=float(self.number)
            )

    @rule()
    @precondition(lambda self: self.socket is None and self.written.trades)
    def trim_trades(self) -> None:
        """Let retention take everything of the trades' log but its newest entry."""
        self._do(self._log_has_all_trades())
        log = f"gw:{{trades:{self.exchange}}}:log"
        self.redis.xtrim(log, maxlen=1, approximate=False)
        self.trimmed["trades"] = self.collector.do("XREVRANGE", log, "+", "-", "COUNT", 1)[0][0].decode()

    # -- what must hold -------------------------------------------------------------------------------------------

    @rule()
    @precondition(lambda self: self.reading and self.followed)
    def settle(self) -> None:
        """Old snapshot + updates = new snapshot, once what was written has arrived; and nothing comes after it."""
        self._do(self._settle())

    def teardown(self) -> None:
        try:
            if not self.broken:
                self._end_settled()
        finally:
            self.runner.run(self.stack.aclose())
            self.runner.close()
            self.redis.close()

    def _end_settled(self) -> None:
        if self.slow:
            self.go_on()
        if self.socket is None:
            self.resume(None)
        self.settle()

    def _do(self, step: Coroutine[Any, Any, object]) -> None:  # Any: what a coroutine is sent and told
        try:
            self.runner.run(step)
        except BaseException:
            self.broken = True
            raise

    @property
    def reading(self) -> bool:
        return self.socket is not None and not self.slow

    @property
    def followed(self) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.mode is not None]

    async def _subscribe(self, slot: Slot, mode: str, *, resume: bool) -> None:
        # What comes between the request and its answer is still the old subscription's: the new one tells it again.
        known, since = slot.known() if resume else ({}, None)
        asked = {"stream": slot.stream, **slot.key_fields, "mode": mode}
        if mode == "sample":
            asked["interval_ms"] = 50  # type: ignore[assignment]  # a number among texts
        ack = await self._ask("subscribe", **asked, **({} if since is None else {"since": since}))
        (begun,) = ack["subscriptions"]
        if since is not None:
            assert begun["recovered"] is self._recoverable(slot, since), (since, self.trimmed, begun)
        if since is not None:
            slot.followers, slot.cursor = (known, since) if begun["recovered"] else ({}, None)
        slot.begin(begun, mode, resumed=since is not None)

    def _recoverable(self, slot: Slot, since: str) -> bool:
        newest = self.trimmed.get(slot.stream)
        return newest is None or _place(since) >= _place(newest)

    async def _ask(self, op: str, **fields: object) -> Frame:
        """Return an acknowledgement, after everything that came before it was taken in."""
        assert self.socket is not None
        while not (ack := await self.socket.request(op, **fields))["ok"]:
            assert ack["error_code"] == "RATE_LIMITED", ack
            await asyncio.sleep(ack["retry_after_ms"] / 1000)
        waiting = self.socket.waiting()
        for frame in waiting:
            self.take(frame)
        return ack

    def take(self, frame: Frame) -> None:
        """Take in what the server says unasked. Raises: AssertionError."""
        if frame["type"] in ("heartbeat", "status"):
            return
        assert frame["type"] in ("snapshot", "update"), frame
        self._slot_of(frame).apply(frame)

    def _slot_of(self, frame: Frame) -> Slot:
        name = frame["stream"]
        return self.slots[f"trades {frame['key'].partition(':')[2]}" if name == "trades" else name]

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(self.deadline_s):
                for slot in self.followed:
                    while not self._arrived(slot):
                        await self._next()
        except TimeoutError:
            missing = [slot.stream for slot in self.followed if not self._arrived(slot)]
            raise AssertionError(f"what was written did not arrive: {missing}") from None
        await self._ask("ping")
        assert all(self._arrived(slot) for slot in self.followed)

    async def _next(self) -> None:
        assert self.socket is not None
        self.take(await self.socket.frame())

    def _arrived(self, slot: Slot) -> bool:
        wanted = [
            key
            for key in self.written.keys(slot.stream)
            if slot.stream != "trades" or slot.key_fields["symbol"] in key
        ]
        return all(self._knows(slot, key) for key in wanted)

    def _knows(self, slot: Slot, key: str) -> bool:
        known = slot.followers.get(key)
        if known is None:
            return False
        final, now = self.written.final(slot.stream, key), seen(slot.stream, known.data)
        if slot.stream == "trades":
            assert known.mode != "every" or known.whole
            arrived = known.seq == len(self.written.trades[key])
            assert not arrived or (now == final if known.whole else now[-1:] == final[-1:]), (now, final)
            return arrived
        return bool(now == final)

    async def _log_has_all_trades(self) -> None:
        """Wait until the relay has numbered every trade."""
        async with asyncio.timeout(DEADLINE_S):
            for key, pushed in self.written.trades.items():
                text = f's:["{self.exchange}","{key.partition(":")[2]}"]'
                while int(self.collector.do("HGET", f"gw:{{trades:{self.exchange}}}:pos", text) or 0) < len(
                    pushed
                ):
                    await asyncio.sleep(0.01)


def _place(cursor: str) -> tuple[int, ...]:
    return tuple(int(part) for part in cursor.rpartition(".")[2].split("-"))


def run(machine: type[Machine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            # No shrinking: each step is real time on a real server. What failed is printed as it was, step by step.
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_a_client_does_it_ends_on_what_was_written(live_server_process: LiveServer) -> None:
    Machine.server = live_server_process
    run(Machine, examples=25)


@pytest.mark.parametrize("fault", ["lost", "repeated", "swapped"])
def test_the_machine_notices_a_gateway_that_is_wrong_now_and_then(
    live_server_process: LiveServer, fault: str
) -> None:
    chance = random.Random(5)

    class Wrong(Machine):
        """Between it and the gateway stands somebody who loses, repeats or swaps an update in forty."""

        deadline_s = 5.0
        kept: Frame | None = None

        def take(self, frame: Frame) -> None:
            if self.kept is not None:
                kept, self.kept = self.kept, None
                super().take(frame)
                super().take(kept)
                return
            if frame["type"] == "update" and chance.random() < 1 / 40:
                if fault == "lost":
                    return
                if fault == "swapped":
                    self.kept = frame
                    return
                super().take(frame)
            super().take(frame)

    Machine.server = live_server_process
    with pytest.raises(
        (AssertionError, ExceptionGroup)
    ) as noticed:  # of a task, or of hypothesis, it is in a group
        run(Wrong, examples=12)
    assert not isinstance(noticed.value, ExceptionGroup) or noticed.value.split(AssertionError)[1] is None
