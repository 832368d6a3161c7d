"""Each stream of the registry on a native socket: its snapshot, its changes, its numbers; and the law that joins them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import Mode, Rows
from tests.integration.native.client import Mirror
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position, trade

MARKET = "BTC/USDC"


@dataclass(frozen=True)
class Case:
    """How one stream is written and asked for; ``write`` gives each round another value, ``tells`` finds it again."""

    stream: str
    write: Callable[[Collector, str, int], object]
    asked: Callable[[str], dict[str, object]]
    key: str
    tells: Callable[[Any, str, int], bool]

    def holds(self, data: Any, name: str, round_: int) -> bool:
        """Whether a value, or one of a list of values, is what a round wrote."""
        each = data if isinstance(data, list) else [data]
        return any(value is not None and self.tells(value, name, round_) for value in each)


def market(name: str) -> dict[str, object]:
    return {"exchange": name, "symbol": MARKET}


def own_orders(name: str) -> dict[str, object]:
    return {"exchange": name, "account": "7"}


def account(name: str) -> dict[str, object]:
    return {"account": name}


def bars(name: str) -> dict[str, object]:
    return {"symbol": name, "timeframe": "1m"}


def tick(collector: Collector, name: str, round_: int) -> None:
    collector.tick(name, MARKET, price=float(round_))


def deal(collector: Collector, name: str, round_: int) -> None:
    collector.trades(name, MARKET, trade(round_))


def order(collector: Collector, name: str, round_: int) -> None:
    collector.order(name, f"O{round_}", ex_id=7)


def balance(collector: Collector, name: str, round_: int) -> None:
    collector.do("HSET", "accounts", name, f'{{"X": {{"total": {round_}, "free": 1, "used": 1}}}}')


def holding(collector: Collector, name: str, round_: int) -> None:
    stored = f'{{"{MARKET}": {{"volume": {round_}, "price": 1, "cost": 1}}}}'
    collector.do("HSET", "account_positions", name, stored)


def bot(collector: Collector, name: str, round_: int) -> None:
    collector.bot(name, f={"n": round_})


def bar(collector: Collector, name: str, round_: int) -> None:
    collector.bars(name, "1m", [1700000000 + 60 * round_, 1, 2, 0.5, round_, 5])


def beacon(collector: Collector, name: str, round_: int) -> None:
    collector.process("bot", f"{name}.{round_}")


CASES = [
    Case("tickers", tick, market, "{}:BTC/USDC", lambda told, name, round_: told["price"] == round_),
    Case("trades", deal, market, "{}:BTC/USDC", lambda told, name, round_: told["trade_id"] == str(round_)),
    Case(
        "orders",
        order,
        own_orders,
        "{}:account:7",
        lambda told, name, round_: told["order_id"] == f"O{round_}",
    ),
    Case(
        "accounts",
        balance,
        account,
        "{}",
        lambda told, name, round_: told["balances"]["X"]["total"] == round_,
    ),
    Case(
        "positions",
        holding,
        account,
        "{}",
        lambda told, name, round_: told["positions"][0]["volume"] == round_,
    ),
    Case(
        "bots",
        bot,
        lambda name: {"bot": name},
        "{}",
        lambda told, name, round_: told["feeds"]["f"]["n"] == round_,
    ),
    Case("ohlcv", bar, bars, "{}:1m", lambda told, name, round_: told["close"] == round_),
    Case(
        "process",
        beacon,
        lambda name: {"type": "bot"},
        "bot",
        lambda told, name, round_: told["component"] == f"{name}.{round_}",
    ),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.stream)


def fresh(case: Case) -> str:
    return str(fresh_account()) if case.stream in ("accounts", "positions") else fresh_name()


def test_every_stream_that_the_cache_feeds_is_tried() -> None:
    fed = {each.name for each in REGISTRY if not isinstance(each.layout, Rows)}
    assert {case.stream for case in CASES} == fed


@cases
async def test_a_subscription_begins_with_what_is_stored(
    native: Open, collector: Collector, case: Case
) -> None:
    name = fresh(case)
    case.write(collector, name, 1)
    async with native() as socket:
        asked = case.asked(name)
        # What was written a moment ago may be numbered after the snapshot: then it is an update.
        subscription = await socket.subscribe(case.stream, **asked)
        assert (subscription["stream"], subscription["key"]) == (case.stream, case.key.format(name))
        snapshot = await socket.frame()
        assert (snapshot["type"], snapshot["sub"]) == ("snapshot", subscription["sub"])
        mirror = Mirror(every=False)
        mirror.apply(snapshot)
        while not case.holds(mirror.data, name, 1):
            mirror.apply(await socket.frame())
        assert mirror.seq


@cases
async def test_each_change_is_an_update_with_the_next_number(
    native: Open, collector: Collector, case: Case
) -> None:
    name = fresh(case)
    async with native() as socket:
        await socket.subscribe(case.stream, mode="every", **case.asked(name))
        mirror = Mirror(every=True)
        mirror.apply(await socket.frame())
        for round_ in (1, 2, 3):
            case.write(collector, name, round_)
            while not case.holds(mirror.data, name, round_):
                frame = await socket.frame()
                assert frame["type"] == "update"
                assert (frame["stream"], frame["key"]) == (case.stream, case.key.format(name))
                assert "sub" not in frame
                source, accepted = frame["ts"]
                assert source is None or isinstance(source, float)
                assert isinstance(accepted, float)
                mirror.apply(frame)
        assert len(mirror.updates) >= 3


@cases
async def test_old_snapshot_and_updates_are_the_new_snapshot(
    native: Open, collector: Collector, case: Case
) -> None:
    name = fresh(case)
    case.write(collector, name, 1)
    async with native() as socket:
        await socket.subscribe(case.stream, mode="every", **case.asked(name))
        mirror = Mirror(every=True)
        for round_ in range(2, 6):
            case.write(collector, name, round_)
        while mirror.seq is None or not case.holds(mirror.data, name, 5):
            mirror.apply(await socket.frame())
        while True:
            ack = await socket.done("snapshot", stream=case.stream, **case.asked(name))
            (told,) = ack["snapshots"]
            for frame in await socket.nothing_more():
                mirror.apply(frame)
            if told["seq"] == mirror.seq:
                break
        assert told["key"] == case.key.format(name)
        assert unordered(told["data"]) == unordered(mirror.data)


@cases
async def test_a_key_that_holds_nothing_is_told_as_null(native: Open, case: Case) -> None:
    asked = {"type": fresh_name()} if case.stream == "process" else case.asked(fresh(case))
    async with native() as socket:
        subscription = await socket.subscribe(case.stream, **asked)
        snapshot = await socket.frame()
        assert (snapshot["sub"], snapshot["seq"], snapshot["data"]) == (subscription["sub"], 0, None)


@cases
async def test_the_default_mode_is_that_of_the_stream(native: Open, case: Case) -> None:
    (declared,) = (stream for stream in REGISTRY if stream.name == case.stream)
    async with native() as socket:
        subscription = await socket.subscribe(case.stream, **case.asked(fresh(case)))
        assert Mode(subscription["mode"]) is declared.mode


async def test_a_ticker_that_is_gone_is_an_update_with_null(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET)
    async with native() as socket:
        await socket.subscribe("tickers", exchange=exchange, symbol=MARKET)
        await socket.told(lambda frame: frame["data"] is not None)
        collector.do("HDEL", f"tickers:{exchange}", MARKET)
        assert (await socket.told(type="update"))["data"] is None


async def test_an_order_that_left_is_told_by_its_id(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1", ex_id=7)
    async with native() as socket:
        await socket.subscribe("orders", exchange=exchange, account="7")
        await socket.told(lambda frame: frame["data"])
        collector.do("HDEL", f"order_status:{exchange}", "O1")
        assert (await socket.told(type="update"))["data"] == {"deleted": "O1"}


async def test_a_snapshot_of_trades_is_the_newest_hundred(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    collector.trades(exchange, MARKET, *(trade(number) for number in range(150)))
    async with native() as socket:
        await socket.subscribe("trades", exchange=exchange, symbol=MARKET)
        mirror = Mirror(every=True)
        while mirror.seq != 150:
            mirror.apply(await socket.frame())
        assert [each["trade_id"] for each in mirror.data] == [str(number) for number in range(50, 150)]


async def test_balances_positions_and_bars_are_told_as_canonical_objects(
    native: Open, collector: Collector
) -> None:
    account = fresh_account()
    collector.account(account, USDC={"total": 3.0, "free": 2.0, "used": 1.0})
    collector.positions(account, **{MARKET: position(-0.5)})
    async with native() as socket:
        await socket.subscribe("accounts", account=str(account))
        told = await socket.told(lambda frame: frame["data"] is not None)
        assert told["data"]["balances"] == {"USDC": {"total": 3.0, "free": 2.0, "used": 1.0}}
        await socket.subscribe("positions", account=str(account))
        (held,) = (await socket.told(lambda frame: frame["data"] and "positions" in frame["data"]))["data"][
            "positions"
        ]
        assert held["symbol"] == MARKET


def unordered(data: Any) -> Any:
    """A collection's elements have no order of their own."""
    return sorted(map(repr, data)) if isinstance(data, list) else data
