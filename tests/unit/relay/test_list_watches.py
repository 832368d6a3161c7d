"""Which lists must be read now, where a successor goes on, and when bars close."""

from __future__ import annotations

import json
from collections.abc import Sequence

from redis.asyncio import Redis

from cache_streams.log import Claimed, Log, LogSnapshot
from cache_streams.log_names import LogName
from cache_streams.places import START
from cache_streams.relay.list_watches import BarWatch, Markets, TailWatch
from cache_streams.relay.numbering import Numbering
from cache_streams.relay.store import Held, Store
from cache_streams.relay.watches import READS_AT_ONCE, Task, Watch
from cache_streams.sources.lists import PAGE
from cache_streams.sources.readers import Command
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Bars, ListTail, Record, Stream
from cache_streams.streams.ohlcv import OHLCV, Bar
from cache_streams.streams.trades import TRADES, Trade
from tests.unit.sources.interpreter import Interpreter

NOW = 100.0
TRADES_KEY, BARS_KEY = "trades:kraken:BTCUSDC", "ohlcv:BTC/USDC:1m"


def store(stream: Stream) -> Store:
    """Return a store that has claimed nothing yet."""
    return Store(
        Redis(), stream, prefix="gw", shards=4, max_entries=1000, fence=1, known={}
    )  # it connects to nothing until it is asked to


def claim(
    holding: Store,
    partition: str,
    *,
    fresh: bool = False,
    held: Sequence[Record] = (),
    positions: dict[str, str] | None = None,
) -> None:
    """Let ``holding`` have the log of ``partition``, as a relay before it may have left it."""
    claimed = Claimed("epoch", "1-1", fresh=fresh, born=fresh, positions=positions or {})
    numbering = Numbering(holding.stream, claimed, LogSnapshot("epoch", START, ()))
    numbering.number(held, NOW)
    log = Log(Redis(), LogName(holding.stream.name, partition, "gw"), holding.stream)
    holding._held[partition] = Held(log, claimed, numbering)


def tail_watch(holding: Store | None = None, markets: Markets | None = None) -> TailWatch:
    assert isinstance(TRADES.layout, ListTail)
    return TailWatch(TRADES, TRADES.layout, markets or Markets(), holding or store(TRADES))


def bar_watch(holding: Store | None = None) -> BarWatch:
    assert isinstance(OHLCV.layout, Bars)
    return BarWatch(OHLCV, OHLCV.layout, holding or store(OHLCV))


def due(watch: Watch) -> tuple[list[Command], float | None]:
    tasks, later = watch.take(NOW, NOW)
    return [command for task in tasks for command in next(task.reading)], later


def take(watch: Watch, wall: float = NOW) -> list[Task]:
    return watch.take(NOW, wall)[0]


def run(tasks: list[Task], cache: Interpreter) -> list[Record]:
    records = [record for task in tasks for record in cache.run(task.reading)]
    for task in tasks:
        if task.finished is not None:
            task.finished(NOW, NOW)
    return records


def trades(*numbers: int) -> list[bytes]:
    return [json.dumps({"trade_id": n, "price": n, "volume": 1}).encode() for n in numbers]


def prices(records: list[Record]) -> list[float]:
    return [record.value.price for record in records if isinstance(record.value, Trade)]


def bar(minute: int, close: float = 1.0) -> bytes:
    return json.dumps([minute * 60, 1, 2, 0.5, close, 10]).encode()


def told(records: list[Record]) -> list[tuple[int, float, bool]]:
    values = [record.value for record in records]
    return [(int(v.time) // 60, v.close, v.closed) for v in values if isinstance(v, Bar)]


# -- markets ----------------------------------------------------------------------------------------------------------


def test_a_market_is_known_by_the_ticker_of_the_same_exchange() -> None:
    markets = Markets()
    markets.learn("bitmex", "BTC/USD:BTC")
    assert markets.symbol("bitmex", "BTCUSD:BTC") == "BTC/USD:BTC"
    assert markets.symbol("kraken", "BTCUSD:BTC") == "BTCUSD:BTC"


# -- tails ------------------------------------------------------------------------------------------------------------


def test_a_key_of_another_kind_is_none_of_a_tail_watchs_business() -> None:
    watch = tail_watch()
    assert not watch.notice("user_trades:1:kraken")
    assert not watch.notice("trades:kraken")
    assert due(watch) == ([], None)


def test_a_noticed_list_is_read_once() -> None:
    watch = tail_watch()
    assert watch.notice(TRADES_KEY)
    watch.notice(TRADES_KEY)
    watch.baselining = False
    assert due(watch) == ([("LRANGE", TRADES_KEY, 0, PAGE - 1)], None)
    assert due(watch) == ([], None)


def test_a_symbol_that_a_ticker_explains_gets_its_slash() -> None:
    markets = Markets()
    watch, cache = tail_watch(markets=markets), Interpreter(**{TRADES_KEY: trades(1)})
    markets.learn("kraken", "BTC/USDC")
    watch.notice(TRADES_KEY)
    assert [record.key for record in run(take(watch), cache)] == [("kraken", "BTC/USDC")]


def test_a_first_start_reads_a_snapshots_worth_of_an_old_list() -> None:
    watch, cache = tail_watch(), Interpreter(**{TRADES_KEY: trades(*range(SNAPSHOT_TAIL + 10))})
    watch.notice(TRADES_KEY)
    assert prices(run(take(watch), cache)) == list(range(10, SNAPSHOT_TAIL + 10))


def test_a_list_that_appeared_later_is_read_whole() -> None:
    watch, cache = tail_watch(), Interpreter(**{TRADES_KEY: trades(*range(SNAPSHOT_TAIL + 10))})
    watch.baselining = False
    watch.notice(TRADES_KEY)
    assert prices(run(take(watch), cache)) == list(range(SNAPSHOT_TAIL + 10))


def test_a_list_of_a_log_that_an_earlier_relay_kept_is_read_whole() -> None:
    holding, cache = store(TRADES), Interpreter(**{TRADES_KEY: trades(*range(SNAPSHOT_TAIL + 10))})
    claim(holding, "kraken")
    watch = tail_watch(holding)
    watch.notice(TRADES_KEY)
    assert len(run(take(watch), cache)) == SNAPSHOT_TAIL + 10


def test_a_log_claimed_for_the_first_time_is_a_first_start() -> None:
    holding, cache = store(TRADES), Interpreter(**{TRADES_KEY: trades(*range(SNAPSHOT_TAIL + 10))})
    claim(holding, "kraken", fresh=True)
    watch = tail_watch(holding)
    watch.notice(TRADES_KEY)
    assert len(run(take(watch), cache)) == SNAPSHOT_TAIL


def test_a_successor_goes_on_at_the_position_that_its_forerunner_stored() -> None:
    first, cache = tail_watch(), Interpreter(**{TRADES_KEY: trades(1, 2)})
    first.notice(TRADES_KEY)
    (task,) = take(first)
    run([task], cache)
    stored = task.position()
    assert stored is not None
    partition, name, position = stored
    assert (partition, name) == ("kraken", TRADES_KEY)
    holding = store(TRADES)
    claim(holding, partition, positions={name: position})
    cache.keys[TRADES_KEY] += trades(3)
    successor = tail_watch(holding)
    successor.notice(TRADES_KEY)
    assert prices(run(take(successor), cache)) == [3]


def test_a_position_that_did_not_move_is_not_stored_again() -> None:
    watch, cache = tail_watch(), Interpreter(**{TRADES_KEY: trades(1)})
    watch.notice(TRADES_KEY)
    run(take(watch), cache)
    watch.notice(TRADES_KEY)
    (task,) = take(watch)
    run([task], cache)
    assert task.position() is None


def test_a_list_with_more_than_a_page_stays_dirty() -> None:
    watch, cache = tail_watch(), Interpreter(**{TRADES_KEY: trades(*range(PAGE + 1))})
    watch.baselining = False
    watch.notice(TRADES_KEY)
    assert len(run(take(watch), cache)) == PAGE
    assert prices(run(take(watch), cache)) == [PAGE]
    assert take(watch) == []


def test_no_more_than_so_many_lists_are_read_at_once_and_the_rest_right_after() -> None:
    watch = tail_watch()
    for number in range(READS_AT_ONCE + 5):
        watch.notice(f"trades:kraken:M{number}")
    tasks, later = watch.take(NOW, NOW)
    assert (len(tasks), later) == (READS_AT_ONCE, NOW)
    tasks, later = watch.take(NOW, NOW)
    assert (len(tasks), later) == (5, None)


def test_every_list_ever_read_can_be_marked_dirty() -> None:
    watch = tail_watch()
    watch.notice(TRADES_KEY)
    take(watch)
    watch.notice_all()
    assert len(take(watch)) == 1


# -- bars -------------------------------------------------------------------------------------------------------------


def test_a_key_of_another_kind_is_none_of_a_bar_watchs_business() -> None:
    watch = bar_watch()
    assert not watch.notice("ohlcv:1m")
    assert due(watch) == ([], None)


def test_a_symbol_with_a_colon_is_read_under_its_own_name() -> None:
    key = "ohlcv:BTC/USDC:USDC:1m"
    watch, cache = bar_watch(), Interpreter(**{key: [bar(1)]})
    watch.notice(key)
    assert [record.key for record in run(take(watch), cache)] == [("BTC/USDC:USDC", "1m")]


def test_of_a_cache_never_read_only_the_newest_bar_is_told() -> None:
    watch, cache = bar_watch(), Interpreter(**{BARS_KEY: [bar(1), bar(2)]})
    watch.notice(BARS_KEY)
    assert told(run(take(watch), cache)) == [(2, 1.0, False)]


def test_a_list_of_bars_that_appeared_later_is_read_whole() -> None:
    watch, cache = bar_watch(), Interpreter(**{BARS_KEY: [bar(0), bar(1)]})
    watch.baselining = False
    watch.notice(BARS_KEY)
    assert told(run(take(watch), cache)) == [(0, 1.0, True), (1, 1.0, False)]


def test_a_successor_tells_the_bar_that_the_log_holds_and_every_one_after_it() -> None:
    first, cache = bar_watch(), Interpreter(**{BARS_KEY: [bar(1)]})
    first.notice(BARS_KEY)
    held = run(take(first), cache)
    holding = store(OHLCV)
    claim(holding, "1m", held=held)
    cache.keys[BARS_KEY] += [bar(2), bar(3)]
    successor = bar_watch(holding)
    successor.notice(BARS_KEY)
    assert told(run(take(successor), cache)) == [
        (1, 1.0, False),  # which the log drops: it is what it holds
        (1, 1.0, True),
        (2, 1.0, False),
        (2, 1.0, True),
        (3, 1.0, False),
    ]


def test_a_bar_whose_time_is_over_closes_at_the_next_tick_without_asking_redis() -> None:
    watch, cache = bar_watch(), Interpreter(**{BARS_KEY: [bar(1)]})
    watch.notice(BARS_KEY)
    run(take(watch), cache)
    assert take(watch, 120.0) == []
    watch.tick()
    (task,) = take(watch, 120.0)
    assert told(run([task], Interpreter())) == [(1, 1.0, True)]


def test_a_bar_that_closes_by_time_is_told_before_the_one_that_opened_meanwhile() -> None:
    watch, cache = bar_watch(), Interpreter(**{BARS_KEY: [bar(1)]})
    watch.notice(BARS_KEY)
    run(take(watch), cache)
    cache.keys[BARS_KEY] += [bar(2)]
    watch.notice(BARS_KEY)
    watch.tick()
    assert told(run(take(watch, 120.0), cache)) == [(1, 1.0, True), (2, 1.0, False)]
