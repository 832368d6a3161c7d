"""Readers of hashes, pictures and beacons: what has changed since the last look."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import NoPermissionError, ResponseError

from cache_streams.metrics import MALFORMED
from cache_streams.sources.readers import BeaconReader, HashReader, JoinedReader
from cache_streams.streams.bots import BOTS, Bot, Market
from cache_streams.streams.declaration import Beacons, HashFields, JoinedHashes, Key, Names, Record
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.process import PROCESS, STALE_AFTER_S, Process
from cache_streams.streams.tickers import TICKERS, Ticker
from tests.counts import counted
from tests.unit.sources.interpreter import Interpreter

KRAKEN = {"exchange": "kraken"}
NOW = 1_800_000_000.0


def ticker_reader() -> HashReader:
    assert isinstance(TICKERS.layout, HashFields)
    return HashReader(TICKERS, TICKERS.layout, "tickers", KRAKEN)


def order_reader() -> HashReader:
    assert isinstance(ORDERS.layout, HashFields)
    return HashReader(ORDERS, ORDERS.layout, "orders", KRAKEN)


def tick(price: float | None) -> bytes:
    return json.dumps({"price": price}).encode()


def order(account: int) -> bytes:
    return json.dumps({"ex_id": account}).encode()


def prices(records: list[Record]) -> dict[Key, float | None]:
    return {r.key: r.value.price if isinstance(r.value, Ticker) else None for r in records}


BTC, ETH = ("kraken", "BTC/USDC"), ("kraken", "ETH/USDC")


# -- hashes -----------------------------------------------------------------------------------------------------------


def test_the_first_look_at_a_hash_returns_all_of_it() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(1.0), b"ETH/USDC": tick(2.0)}), ticker_reader()
    assert prices(cache.run(reader.read())) == {BTC: 1.0, ETH: 2.0}


def test_the_next_look_returns_what_differs() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(1.0), b"ETH/USDC": tick(2.0)}), ticker_reader()
    cache.run(reader.read())
    cache.keys["tickers"][b"ETH/USDC"] = tick(3.0)
    assert prices(cache.run(reader.read())) == {ETH: 3.0}
    assert cache.run(reader.read()) == []


def test_a_field_that_went_is_a_record_without_value() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(1.0)}), ticker_reader()
    cache.run(reader.read())
    del cache.keys["tickers"]
    assert prices(cache.run(reader.read())) == {BTC: None}
    assert cache.run(reader.read()) == []


def test_hinted_fields_are_read_alone() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(1.0), b"ETH/USDC": tick(2.0)}), ticker_reader()
    assert prices(cache.run(reader.read([b"ETH/USDC"]))) == {ETH: 2.0}
    assert prices(cache.run(reader.read())) == {BTC: 1.0}


def test_a_hinted_field_that_went_is_gone_and_one_never_seen_is_nothing() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(1.0)}), ticker_reader()
    cache.run(reader.read())
    cache.keys["tickers"] = {}
    assert prices(cache.run(reader.read([b"BTC/USDC", b"NEVER"]))) == {BTC: None}
    assert cache.run(reader.read()) == []


def test_an_order_that_changed_its_owner_leaves_the_old_ones_list_before_it_enters_the_new_ones() -> None:
    cache, reader = Interpreter(orders={b"O1": order(1)}), order_reader()
    cache.run(reader.read())
    cache.keys["orders"][b"O1"] = order(2)
    left, entered = cache.run(reader.read())
    assert (left.key, left.element, left.value) == (("kraken", "account:1"), "O1", None)
    assert (entered.key, entered.element) == (("kraken", "account:2"), "O1")
    cache.keys["orders"] = {}
    assert [record.key for record in cache.run(reader.read())] == [("kraken", "account:2")]


def test_a_value_that_cannot_be_read_is_kept_out_and_counted_once_and_its_neighbours_live() -> None:
    cache = Interpreter(tickers={b"BTC/USDC": b"{", b"ETH/USDC": tick(2.0)})
    reader = ticker_reader()
    with counted(MALFORMED, "tickers", "json"):
        assert prices(cache.run(reader.read())) == {ETH: 2.0}
        assert cache.run(reader.read()) == []
        cache.keys["tickers"][b"ETH/USDC"] = tick(3.0)
        assert prices(cache.run(reader.read())) == {ETH: 3.0}


def test_each_new_value_that_cannot_be_read_is_counted() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(None)}), ticker_reader()
    with counted(MALFORMED, "tickers", "price"):
        cache.run(reader.read())
    with counted(MALFORMED, "tickers", "json"):
        cache.keys["tickers"][b"BTC/USDC"] = b"["
        cache.run(reader.read())


def test_a_value_that_cannot_be_read_hides_nothing_when_it_goes_again() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": b"{"}), ticker_reader()
    cache.run(reader.read())
    cache.keys["tickers"] = {}
    assert cache.run(reader.read()) == []


def test_the_last_good_value_stays_until_its_field_goes() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(1.0)}), ticker_reader()
    cache.run(reader.read())
    cache.keys["tickers"][b"BTC/USDC"] = b"{"
    assert cache.run(reader.read()) == []
    cache.keys["tickers"] = {}
    assert prices(cache.run(reader.read())) == {BTC: None}


def test_a_field_whose_name_is_no_text_is_counted_and_its_neighbours_live() -> None:
    cache, reader = Interpreter(tickers={b"\xff": tick(1.0), b"ETH/USDC": tick(2.0)}), ticker_reader()
    with counted(MALFORMED, "tickers", "name_not_utf8"):
        assert prices(cache.run(reader.read())) == {ETH: 2.0}


@pytest.mark.parametrize("fields", [None, [b"BTC/USDC"]])
def test_a_key_of_another_type_is_counted_and_read_as_empty(fields: list[bytes] | None) -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(1.0)}), ticker_reader()
    cache.run(reader.read())
    cache.keys["tickers"] = [b"x"]
    with counted(MALFORMED, "tickers", "wrong_type"):
        assert prices(cache.run(reader.read(fields))) == {BTC: None}


def test_a_refusal_that_says_nothing_of_the_key_is_not_taken_for_an_empty_hash() -> None:
    cache, reader = Interpreter(tickers={b"BTC/USDC": tick(1.0)}), ticker_reader()
    cache.run(reader.read())
    reading = reader.read()
    next(reading)
    with pytest.raises(ResponseError, match="BUSY"):
        reading.send([ResponseError("BUSY Redis is busy running a script.")])
    assert cache.run(reader.read()) == []


def test_a_key_that_we_may_not_read_is_counted_and_read_as_empty() -> None:
    reading = ticker_reader().read()
    next(reading)
    with counted(MALFORMED, "tickers", "no_permission"), pytest.raises(StopIteration) as stop:
        reading.send([NoPermissionError("this user has no permissions")])
    assert stop.value.value == []


_FIELDS = st.sampled_from([b"A", b"B", b"C"])
_WRITES = st.one_of(
    st.tuples(_FIELDS, st.sampled_from([1.0, 2.0, 3.0]).map(tick)),
    st.tuples(_FIELDS, st.none()),
    st.tuples(st.none(), st.one_of(st.none(), st.sets(_FIELDS, min_size=1))),
)


@given(st.lists(_WRITES, max_size=40))
def test_the_changes_make_the_hash_whatever_was_written_and_whichever_fields_were_read(
    steps: list[tuple[bytes | None, object]],
) -> None:
    cache, reader = Interpreter(tickers={}), ticker_reader()
    told: dict[Key, float | None] = {}
    for field, change in steps:
        if field is None:
            assert change is None or isinstance(change, set)
            told |= prices(cache.run(reader.read(change)))
        elif change is None:
            cache.keys["tickers"].pop(field, None)
        else:
            cache.keys["tickers"][field] = change
    told |= prices(cache.run(reader.read()))
    stored = {("kraken", f.decode()): json.loads(raw)["price"] for f, raw in cache.keys["tickers"].items()}
    assert {key: price for key, price in told.items() if price is not None} == stored


# -- pictures ---------------------------------------------------------------------------------------------------------


def bot_reader() -> JoinedReader:
    assert isinstance(BOTS.layout, JoinedHashes)
    return JoinedReader(BOTS, BOTS.layout)


def feed(status: str) -> bytes:
    return json.dumps({"feed_1": {"status": status}}).encode()


def test_a_picture_is_joined_from_all_its_hashes() -> None:
    cache = Interpreter(
        bot_status={b"7": feed("running")},
        block_exchange={b"kraken:BTC/USDC": b"7"},
        opening_position={b"kraken:ETH/USDC": b"7:2026-01-15T10:30:00+00:00"},
    )
    (record,) = cache.run(bot_reader().read())
    assert isinstance(record.value, Bot)
    assert (record.key, record.value.status) == (("7",), "running")
    assert record.value.blocks == (Market("kraken", "BTC/USDC"),)
    assert record.value.opening == (Market("kraken", "ETH/USDC"),)


def test_only_the_keys_whose_picture_changed_are_told() -> None:
    cache, reader = Interpreter(bot_status={b"7": feed("running"), b"8": feed("paused")}), bot_reader()
    assert [record.key for record in cache.run(reader.read())] == [("7",), ("8",)]
    cache.keys["block_exchange"] = {b"kraken:BTC/USDC": b"8"}
    assert [record.key for record in cache.run(reader.read())] == [("8",)]
    assert cache.run(reader.read()) == []


def test_a_key_is_gone_when_none_of_the_hashes_speaks_of_it() -> None:
    cache = Interpreter(bot_status={b"7": feed("running")}, block_exchange={b"kraken:BTC/USDC": b"7"})
    reader = bot_reader()
    cache.run(reader.read())
    del cache.keys["bot_status"]
    (record,) = cache.run(reader.read())
    assert isinstance(record.value, Bot)
    assert record.value.status is None
    del cache.keys["block_exchange"]
    assert cache.run(reader.read()) == [Record(("7",), None)]


def test_one_hash_of_another_type_is_counted_and_the_others_are_shown() -> None:
    cache = Interpreter(bot_status={b"7": feed("running")}, block_exchange=b"text")
    with counted(MALFORMED, "bots", "wrong_type"):
        assert [record.key for record in cache.run(bot_reader().read())] == [("7",)]


def test_what_cannot_be_read_is_counted_once_and_hides_no_neighbour() -> None:
    cache, reader = Interpreter(bot_status={b"7": b"{", b"8": feed("paused"), b"\xff": b"{}"}), bot_reader()
    cache.keys["block_exchange"] = {b"no-market": b"7"}
    with (
        counted(MALFORMED, "bots", "json"),
        counted(MALFORMED, "bots", "market"),
        counted(MALFORMED, "bots", "name_not_utf8"),
    ):
        assert {record.key for record in cache.run(reader.read())} == {("7",), ("8",)}
        assert cache.run(reader.read()) == []


# -- beacons ----------------------------------------------------------------------------------------------------------

BOT_1, BOT_2 = "process:data:bot:b1:1.5", "process:data:bot:b2:1.5"
THINGS: dict[str, Names] = {BOT_1: {"process_id": "bot:b1:1.5"}, BOT_2: {"process_id": "bot:b2:1.5"}}
SEEN = "process:active:bot"


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def beacon(status: str = "running", heartbeat: float = NOW) -> bytes:
    return json.dumps({"status": status, "heartbeat": iso(heartbeat)}).encode()


def process_reader() -> BeaconReader:
    assert isinstance(PROCESS.layout, Beacons)
    return BeaconReader(PROCESS, PROCESS.layout)


def look(
    cache: Interpreter, reader: BeaconReader, *things: str, seen: tuple[str, ...] = (), now: float = NOW
) -> dict[str | None, Process | None]:
    records = cache.run(reader.read({key: THINGS[key] for key in things}, seen, now))
    return {
        r.element: None if r.value is None else msgspec.convert(msgspec.to_builtins(r.value), Process)
        for r in records
    }


def test_a_living_thing_is_told_once() -> None:
    cache, reader = Interpreter(**{BOT_1: beacon(), BOT_2: beacon("idle")}), process_reader()
    first = look(cache, reader, BOT_1, BOT_2)
    assert {name: p and p.status for name, p in first.items()} == {
        "bot:b1:1.5": "running",
        "bot:b2:1.5": "idle",
    }
    assert look(cache, reader, BOT_1, BOT_2) == {}


def test_only_what_was_asked_for_is_read_again() -> None:
    cache, reader = Interpreter(**{BOT_1: beacon(), BOT_2: beacon()}), process_reader()
    look(cache, reader, BOT_1, BOT_2)
    cache.keys |= {BOT_1: beacon("error"), BOT_2: beacon("error")}
    assert list(look(cache, reader, BOT_2)) == ["bot:b2:1.5"]


def test_growing_older_is_no_news_until_it_makes_a_thing_stale() -> None:
    cache, reader = Interpreter(**{BOT_1: beacon()}), process_reader()
    look(cache, reader, BOT_1)
    assert look(cache, reader, now=NOW + STALE_AFTER_S) == {}
    told = look(cache, reader, now=NOW + STALE_AFTER_S + 1)
    process = told["bot:b1:1.5"]
    assert process is not None
    assert (process.stale, process.age_s) == (True, STALE_AFTER_S + 1)
    assert look(cache, reader, now=NOW + STALE_AFTER_S + 2) == {}


def test_when_it_was_last_seen_makes_it_active_for_a_while() -> None:
    cache, reader = Interpreter(**{BOT_1: beacon()}), process_reader()
    cache.keys[SEEN] = {b"bot:b1:1.5": iso(NOW).encode()}
    (record,) = cache.run(reader.read({BOT_1: THINGS[BOT_1]}, [SEEN], NOW))
    assert record.extras is not None
    assert record.extras["active"] is True
    (record,) = cache.run(reader.read({}, [], NOW + STALE_AFTER_S + 1))
    assert record.extras is not None
    assert record.extras["active"] is False


def test_a_registration_that_went_is_news() -> None:
    cache, reader = Interpreter(**{BOT_1: beacon()}), process_reader()
    cache.keys[SEEN] = {b"bot:b1:1.5": iso(NOW).encode()}
    look(cache, reader, BOT_1, seen=(SEEN,))
    del cache.keys[SEEN]
    assert list(look(cache, reader, seen=(SEEN,))) == ["bot:b1:1.5"]


def test_a_thing_that_went_is_gone_and_held_no_longer() -> None:
    cache, reader = Interpreter(**{BOT_1: beacon()}), process_reader()
    look(cache, reader, BOT_1)
    assert reader.holds(BOT_1)
    del cache.keys[BOT_1]
    assert look(cache, reader, BOT_1) == {"bot:b1:1.5": None}
    assert not reader.holds(BOT_1)
    assert look(cache, reader, BOT_1) == {}


def test_a_thing_that_cannot_be_read_is_counted_once_however_often_time_passes() -> None:
    cache, reader = Interpreter(**{BOT_1: b"{", BOT_2: beacon()}), process_reader()
    with counted(MALFORMED, "process", "json"):
        assert list(look(cache, reader, BOT_1, BOT_2)) == ["bot:b2:1.5"]
        assert look(cache, reader, now=NOW + 1) == {}


def test_a_thing_of_another_type_is_counted_and_gone() -> None:
    cache, reader = Interpreter(**{BOT_1: beacon()}), process_reader()
    look(cache, reader, BOT_1)
    cache.keys |= {BOT_1: [b"x"], SEEN: b"text"}
    with counted(MALFORMED, "process", "wrong_type", times=2):
        assert look(cache, reader, BOT_1, seen=(SEEN,)) == {"bot:b1:1.5": None}
