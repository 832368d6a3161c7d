"""Updates of the RPC family that remember what they told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.rpc.running_renditions import (
    BarUpdates,
    BotUpdates,
    ProcessHealthUpdates,
    QueueUpdates,
)
from cache_streams.streams.bots import Bot
from cache_streams.streams.declaration import Key
from cache_streams.streams.ohlcv import Bar
from cache_streams.streams.orders import Order
from cache_streams.streams.process import Process
from cache_streams.streams.update import Update
from tests.unit.protocol.changes import NOW, change, snapshot

PREFIX = b'{"result":{"stream_key":"k"'


def results(bodies: Sequence[bytes]) -> list[Any]:
    shown = [json.loads(PREFIX + body)["result"] for body in bodies]
    assert all(result.pop("stream_key") == "k" for result in shown)
    return shown


def bar(time: float, close: float = 1.5) -> Update:
    value = Bar("BTC/USDC", "1m", time, 1.0, 2.0, 0.5, close, 10.0, closed=False)
    return change(("BTC/USDC", "1m"), value, extras={"bar": [int(time), 1, 2, 0.5, close, 10]})


def order(exchange: str, owner: str, element: str, size: int | None) -> Update:
    value = Order(exchange, element, *(None,) * 7, 1.0, 0.0, 1.0, None, None, 0.0)
    return change((exchange, owner), value, element=element, size=size)


def bot(name: str, stored: object = None) -> Update:
    return change(
        (name,), Bot(name, None, {}, (), (), None), extras=None if stored is None else {"stored": stored}
    )


def process(name: str, *, active: bool | None, kind: str = "bot") -> Update:
    if active is None:
        return change((kind,), None, element=name)
    value = Process(name, kind, name, "running", None, {}, 0.0, 0.0, 0.0, 0.0, stale=False)
    return change((kind,), value, element=name, extras={"active": active})


def test_a_bar_stream_begins_with_the_newest_bar() -> None:
    keys = [snapshot(("BTC/USDC", "1m"), bar(60), bar(120))]
    assert results(BarUpdates().snapshot(keys, NOW)) == [
        {"symbol": "BTC/USDC", "timeframe": "1m", "bar": [120, 1, 2, 0.5, 1.5, 10]}
    ]


def test_a_bar_stream_without_bars_begins_with_silence() -> None:
    assert BarUpdates().snapshot([snapshot(("BTC/USDC", "1m"))], NOW) == []


def test_only_a_newer_bar_is_told() -> None:
    bars = BarUpdates()
    told = [
        results(bars.update(update, NOW)) for update in (bar(60), bar(60, 1.7), bar(120), bar(60), bar(180))
    ]
    assert [[shown["bar"][0] for shown in each] for each in told] == [[60], [], [120], [], [180]]


def test_a_bar_that_is_gone_is_not_told() -> None:
    assert BarUpdates().update(change(("BTC/USDC", "1m"), None), NOW) == ()


@given(st.lists(st.integers(0, 9)))
def test_bars_are_told_in_order_and_once(times: list[int]) -> None:
    bars = BarUpdates()
    told = [shown["bar"][0] for time in times for shown in results(bars.update(bar(time), NOW))]
    assert told == sorted(set(told))
    assert set(told) == {time for n, time in enumerate(times) if time > max(times[:n], default=-1)}


def test_a_queue_without_orders_is_told_at_once() -> None:
    assert results(QueueUpdates("kraken").snapshot([], 5.5)) == [
        {"exchange": "kraken", "queue_length": 0, "timestamp": 5.5}
    ]


def test_a_queue_is_the_sum_over_owners() -> None:
    key, other = ("kraken", "account:1"), ("kraken", "staff")
    keys = [snapshot(key, order(*key, "a", 2), order(*key, "b", 2)), snapshot(other, order(*other, "c", 1))]
    queue = QueueUpdates("kraken")
    assert [shown["queue_length"] for shown in results(queue.snapshot(keys, NOW))] == [3]
    assert [shown["queue_length"] for shown in results(queue.update(order(*key, "d", 3), NOW))] == [4]
    gone = change(other, None, element="c", size=0)
    assert [shown["queue_length"] for shown in results(queue.update(gone, NOW))] == [3]


def test_a_queue_of_the_same_length_is_not_told_again() -> None:
    key = ("kraken", "staff")
    queue = QueueUpdates("kraken")
    queue.snapshot([snapshot(key, order(*key, "a", 1))], NOW)
    assert queue.update(order(*key, "a", 1), NOW) == ()
    assert queue.update(order(*key, "a", None), NOW) == ()
    assert queue.snapshot([snapshot(key, order(*key, "a", 1))], NOW) == []


def test_bots_are_told_at_once_also_when_there_are_none() -> None:
    assert results(BotUpdates().snapshot([], 5.5)) == [{"bots": {}, "timestamp": 5.5}]


def test_all_bots_are_told_when_one_changes() -> None:
    bots = BotUpdates()
    keys = [snapshot(("7",), bot("7", {"a": 1})), snapshot(("8",), bot("8", {})), snapshot(("9",), bot("9"))]
    assert results(bots.snapshot(keys, NOW))[0]["bots"] == {"7": {"a": 1}, "8": {}}
    assert results(bots.update(bot("8", {"b": 2}), NOW))[0]["bots"] == {"7": {"a": 1}, "8": {"b": 2}}
    assert results(bots.update(change(("7",), None), NOW))[0]["bots"] == {"8": {"b": 2}}


def test_bots_that_stored_nothing_new_are_not_told() -> None:
    bots = BotUpdates()
    keys = [snapshot(("7",), bot("7", {"a": 1}))]
    bots.snapshot(keys, NOW)
    assert bots.update(bot("7", {"a": 1}), NOW) == ()
    assert bots.update(bot("9"), NOW) == ()
    assert bots.snapshot(keys, NOW) == []


def test_one_bot_alone_is_told_when_only_it_was_asked_for() -> None:
    bots = BotUpdates("7")
    assert results(bots.snapshot([snapshot(("8",), bot("8", {}))], NOW))[0]["bots"] == {}
    assert bots.update(bot("8", {"b": 2}), NOW) == ()
    assert results(bots.update(bot("7", {}), NOW))[0]["bots"] == {"7": {}}


def test_active_processes_are_counted_at_once() -> None:
    keys = [snapshot(("bot",), process("a", active=True), process("b", active=False))]
    assert results(ProcessHealthUpdates().snapshot(keys, 5.5)) == [{"active_processes": 1, "timestamp": 5.5}]


def test_the_count_is_told_when_it_changes() -> None:
    health = ProcessHealthUpdates()
    assert results(health.snapshot([], NOW))[0]["active_processes"] == 0
    steps = [
        process("a", active=True),
        process("a", active=True),
        process("a", active=True, kind="tick"),
        process("a", active=False),
        process("a", active=None, kind="tick"),
        process("z", active=None),
    ]
    told = [[shown["active_processes"] for shown in results(health.update(step, NOW))] for step in steps]
    assert told == [[1], [], [2], [1], [0], []]


def test_processes_after_a_gap_are_counted_afresh() -> None:
    health = ProcessHealthUpdates()
    health.update(process("a", active=True), NOW)
    assert results(health.snapshot([], NOW))[0]["active_processes"] == 0


names = st.sampled_from("ab")


@given(st.lists(st.tuples(names, st.sampled_from([True, False, None]))))
def test_snapshot_and_changes_end_on_the_count_of_a_fresh_snapshot(
    steps: list[tuple[str, bool | None]],
) -> None:
    health, state, count = ProcessHealthUpdates(), dict[str, bool](), 0
    key: Key = ("bot",)
    health.snapshot([], NOW)
    for name, active in steps:
        state[name] = bool(active)
        for shown in results(health.update(process(name, active=active), NOW)):
            count = shown["active_processes"]
    fresh = ProcessHealthUpdates().snapshot(
        [snapshot(key, *(process(name, active=active) for name, active in state.items()))], NOW
    )
    assert count == results(fresh)[0]["active_processes"]
