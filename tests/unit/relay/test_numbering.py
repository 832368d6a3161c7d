"""What becomes an update, and which number it gets."""

from __future__ import annotations

import dataclasses
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.log import Claimed, LogSnapshot
from cache_streams.log_names import key_text
from cache_streams.metrics import REFUSED_KEYS
from cache_streams.places import START
from cache_streams.relay import numbering
from cache_streams.relay.numbering import Numbering
from cache_streams.streams.declaration import Key, Record, Stream
from cache_streams.streams.ohlcv import OHLCV, Bar
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.orders import decode as decode_order
from cache_streams.streams.tickers import TICKERS, Ticker
from cache_streams.streams.trades import TRADES, Trade
from cache_streams.streams.update import KeySnapshot, Update
from tests.counts import counted

NOW = 1_800_000_000.0
BTC = ("kraken", "BTC/USDC")
ETH = ("kraken", "ETH/USDC")
OWNER = ("kraken", "account:1")


def numbered(stream: Stream, *keys: KeySnapshot, seqs: dict[str, int] | None = None) -> Numbering:
    """Return the numbering of a log that holds ``keys``."""
    return Numbering(stream, Claimed("e", "", fresh=True, seqs=seqs or {}), LogSnapshot("e", START, keys))


def ticker(price: float, key: Key = BTC) -> Record:
    return Record(key, Ticker(key[0], key[1], price), time=5.0)


def order(order_id: str, status: str = "open", account: int = 1) -> Record:
    stored = {"ex_id": account, "status": status, "volume": 1}
    return decode_order({"exchange": "kraken"}, order_id, json.dumps(stored).encode())


def bar(close: float, *, closed: bool) -> Record:
    value = Bar("BTC/USDC", "1m", 60.0, 1.0, 2.0, 0.5, close, 10.0, closed=closed)
    return Record(("BTC/USDC", "1m"), value, extras={"bar": [60, 1, 2, 0.5, close, 10]}, time=60.0)


def trade(trade_id: str) -> Record:
    return Record(BTC, Trade(*BTC, trade_id, "buy", 1.0, 1.0, 5.0))


def gone(record: Record) -> Record:
    return Record(record.key, None, record.element)


def as_snapshot(stream: Stream, updates: list[Update]) -> tuple[KeySnapshot, ...]:
    """Return what the log holds after ``updates``."""
    held: dict[Key, dict[str | None, Update]] = {}
    seqs: dict[Key, int] = {}
    for update in updates:
        held.setdefault(update.key, {})[update.element] = update
        seqs[update.key] = update.seq
    return tuple(
        KeySnapshot(key, seqs[key], tuple(u for u in elements.values() if not u.deleted))
        for key, elements in held.items()
    )


# -- updates ----------------------------------------------------------------------------------------------------------


def test_the_first_value_of_a_key_has_number_one_and_carries_the_times() -> None:
    (update,) = numbered(TICKERS).number([ticker(1.0)], NOW)
    assert (update.key, update.seq) == (BTC, 1)
    assert (update.source_time, update.accepted_time) == (5.0, NOW)
    assert msgspec.json.decode(update.data, type=Ticker) == Ticker(*BTC, price=1.0)
    assert (update.deleted, update.superseded, update.size, update.extras) == (False, False, None, None)


def test_an_unchanged_value_is_no_update() -> None:
    numbers = numbered(TICKERS)
    numbers.number([ticker(1.0)], NOW)
    assert numbers.number([ticker(1.0)], NOW + 1) == []


def test_a_changed_fact_beside_the_value_is_an_update() -> None:
    numbers = numbered(TICKERS)
    numbers.number([ticker(1.0)], NOW)
    (update,) = numbers.number([dataclasses.replace(ticker(1.0), extras={"change_24h": 2.0})], NOW)
    assert update.seq == 2
    assert update.extra() == {"change_24h": 2.0}


def test_no_facts_and_an_empty_table_of_facts_are_the_same() -> None:
    numbers = numbered(TICKERS)
    numbers.number([ticker(1.0)], NOW)
    assert numbers.number([dataclasses.replace(ticker(1.0), extras={})], NOW) == []


def test_each_key_counts_by_itself() -> None:
    updates = numbered(TICKERS).number([ticker(1.0), ticker(1.0, ETH), ticker(2.0), ticker(3.0)], NOW)
    assert [(update.key, update.seq) for update in updates] == [(BTC, 1), (ETH, 1), (BTC, 2), (BTC, 3)]


def test_numbers_go_on_where_the_log_stands_though_it_holds_no_value_of_the_key() -> None:
    numbers = numbered(TICKERS, seqs={key_text(BTC): 41})
    assert [update.seq for update in numbers.number([ticker(1.0)], NOW)] == [42]


def test_equal_elements_of_a_tail_are_all_updates() -> None:
    updates = numbered(TRADES).number([trade("1"), trade("1")], NOW)
    assert [update.seq for update in updates] == [1, 2]


# -- deletions --------------------------------------------------------------------------------------------------------


def test_a_value_that_is_gone_is_null() -> None:
    numbers = numbered(TICKERS)
    numbers.number([ticker(1.0)], NOW)
    (update,) = numbers.number([gone(ticker(1.0))], NOW)
    assert (update.seq, update.data, update.deleted, update.size) == (2, b"null", True, None)


def test_an_element_that_is_gone_is_named() -> None:
    numbers = numbered(ORDERS)
    numbers.number([order("A"), order("B")], NOW)
    (update,) = numbers.number([gone(order("A"))], NOW)
    assert json.loads(update.data) == {"deleted": "A"}
    assert (update.element, update.deleted, update.seq) == ("A", True, 3)


def test_what_nobody_held_cannot_go() -> None:
    numbers = numbered(ORDERS)
    numbers.number([order("A")], NOW)
    assert numbers.number([gone(order("B")), gone(order("A", account=2))], NOW) == []
    assert numbered(TICKERS).number([gone(ticker(1.0))], NOW) == []


def test_a_value_that_comes_back_goes_on_counting() -> None:
    updates = numbered(TICKERS).number([ticker(1.0), gone(ticker(1.0)), ticker(1.0)], NOW)
    assert [(update.seq, update.deleted) for update in updates] == [(1, False), (2, True), (3, False)]


def test_a_collection_says_how_many_it_has_after_each_change() -> None:
    records = [order("A"), order("B"), order("A", "filled"), gone(order("A")), gone(order("B"))]
    assert [update.size for update in numbered(ORDERS).number(records, NOW)] == [1, 2, 2, 1, 0]


def test_each_owner_has_a_collection_of_its_own() -> None:
    updates = numbered(ORDERS).number([order("A"), order("B", account=2)], NOW)
    assert [(update.key, update.seq, update.size) for update in updates] == [
        (("kraken", "account:1"), 1, 1),
        (("kraken", "account:2"), 1, 1),
    ]


# -- bars -------------------------------------------------------------------------------------------------------------


def test_only_of_an_open_bar_does_the_newest_matter() -> None:
    updates = numbered(OHLCV).number([bar(1.0, closed=False), bar(1.0, closed=True)], NOW)
    assert [update.superseded for update in updates] == [True, False]


# -- limits -----------------------------------------------------------------------------------------------------------


def test_a_key_too_long_for_a_group_is_refused_and_counted() -> None:
    key = ("kraken", "x" * 100)
    with counted(REFUSED_KEYS, "tickers"):
        assert numbered(TICKERS).number([ticker(1.0, key)], NOW) == []


def test_a_key_beyond_the_logs_limit_is_refused_and_counted_and_the_others_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbering, "KEYS_PER_LOG", 1)
    numbers = numbered(TICKERS)
    with counted(REFUSED_KEYS, "tickers"):
        updates = numbers.number([ticker(1.0), ticker(1.0, ETH), ticker(2.0)], NOW)
    assert [(update.key, update.seq) for update in updates] == [(BTC, 1), (BTC, 2)]


# -- what a log already holds -----------------------------------------------------------------------------------------


def test_what_the_log_holds_is_no_update_again() -> None:
    first = numbered(TICKERS).number([ticker(1.0)], NOW)
    again = numbered(TICKERS, *as_snapshot(TICKERS, first))
    assert again.number([ticker(1.0)], NOW) == []
    assert [update.seq for update in again.number([ticker(2.0)], NOW)] == [2]


def test_what_the_log_holds_and_the_cache_does_not_is_missing() -> None:
    updates = numbered(ORDERS).number([order("A"), order("B"), order("C", account=2)], NOW)
    again = numbered(ORDERS, *as_snapshot(ORDERS, updates))
    missing = again.missing_from({key_text(OWNER): {"B"}})
    assert {(record.key, record.element) for record in missing} == {
        (OWNER, "A"),
        (("kraken", "account:2"), "C"),
    }
    assert all(record.value is None for record in missing)
    assert [update.deleted for update in again.number(missing, NOW)] == [True, True]
    assert again.missing_from({key_text(OWNER): {"B"}}) == []


def test_a_tail_misses_nothing() -> None:
    updates = numbered(TRADES).number([trade("1")], NOW)
    assert numbered(TRADES, *as_snapshot(TRADES, updates)).missing_from({}) == []


def test_the_last_value_comes_back_as_the_record_it_was() -> None:
    updates = numbered(OHLCV).number([bar(1.0, closed=False), bar(2.0, closed=False)], NOW)
    again = numbered(OHLCV, *as_snapshot(OHLCV, updates))
    assert again.last(("BTC/USDC", "1m")) == bar(2.0, closed=False)


def test_of_a_key_never_seen_or_gone_there_is_no_last_value() -> None:
    numbers = numbered(TICKERS)
    assert numbers.last(BTC) is None
    numbers.number([ticker(1.0), gone(ticker(1.0))], NOW)
    assert numbers.last(BTC) is None


_ORDERS = st.tuples(st.sampled_from("ABC"), st.sampled_from(["open", "filled", "gone"]), st.integers(1, 2))


@given(st.lists(_ORDERS, max_size=30), st.integers(0, 30))
def test_the_updates_make_the_picture_whoever_numbers_them(
    changes: list[tuple[str, str, int]], cut: int
) -> None:
    """Law: applying the updates gives what the records said; a successor that loads the log goes on without a gap."""
    records = [
        gone(order(order_id, account=account)) if status == "gone" else order(order_id, status, account)
        for order_id, status, account in changes
    ]
    first = numbered(ORDERS).number(records[:cut], NOW)
    kept = as_snapshot(ORDERS, first)
    updates = first + numbered(ORDERS, *kept).number(records[cut:], NOW)
    expected = {(record.key, record.element): record.value for record in records}
    told: dict[tuple[Key, str | None], object] = dict.fromkeys(expected)
    seqs: dict[Key, int] = {}
    for update in updates:
        assert update.seq == seqs.get(update.key, 0) + 1
        seqs[update.key] = update.seq
        value = None if update.deleted else msgspec.json.decode(update.data, type=ORDERS.payload)
        assert told[update.key, update.element] != value
        told[update.key, update.element] = value
        holding = [v for (key, _), v in told.items() if key == update.key and v is not None]
        assert update.size == len(holding)
    assert told == expected


def test_a_number_that_the_source_gave_is_kept() -> None:
    found = numbered(TRADES).number([dataclasses.replace(trade(str(n)), number=n) for n in (41, 42)], NOW)
    assert [update.seq for update in found] == [41, 42]


def test_a_key_that_is_new_to_its_log_begins_there_unless_it_is_new_altogether() -> None:
    def begins(first: int, **known: dict[str, int]) -> list[bool]:
        records = [dataclasses.replace(trade(str(n)), number=n) for n in (first, first + 1)]
        return [update.begins for update in numbered(TRADES, **known).number(records, NOW)]

    assert begins(41) == [True, False]
    assert begins(1) == [False, False]
    assert begins(41, seqs={key_text(BTC): 39}) == [False, False]


def test_a_number_that_the_log_holds_already_is_no_update() -> None:
    log = numbered(TRADES, seqs={key_text(BTC): 41})
    found = log.number([dataclasses.replace(trade(str(n)), number=n) for n in (40, 41, 42, 42)], NOW)
    assert [update.seq for update in found] == [42]
    assert log.seq(BTC) == 42
