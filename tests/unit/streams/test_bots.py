"""Bots as they store themselves, their blocks and their openings."""

from __future__ import annotations

import pytest

from cache_streams.streams.bots import Bot, Market, decode
from cache_streams.streams.declaration import Malformed, Record

FEED = b'{"feed_1": {"status": "running", "symbols": ["BTC/USDC"], "timestamp": "2026-01-15T10:30:00+00:00"}}'


def record_of(
    bot: str,
    status: dict[str, bytes] | None = None,
    blocks: dict[str, bytes] | None = None,
    opening: dict[str, bytes] | None = None,
) -> Record:
    hashes = {"bot_status": status or {}, "block_exchange": blocks or {}, "opening_position": opening or {}}
    record = decode(hashes)[bot,]
    assert isinstance(record, Record)
    return record


def bot_of(raw: bytes) -> Bot:
    value = record_of("7", {"7": raw}).value
    assert isinstance(value, Bot)
    return value


def test_the_example_of_the_layout_is_read() -> None:
    feeds = {
        "feed_1": {"status": "running", "symbols": ["BTC/USDC"], "timestamp": "2026-01-15T10:30:00+00:00"}
    }
    record = record_of("7", {"7": FEED}, {"kraken:BTC/USDC": b"7"})
    assert record.value == Bot("7", "running", feeds, (Market("kraken", "BTC/USDC"),), (), 1768473000.0)
    assert record.extras == {"stored": feeds}


def test_a_status_at_the_top_goes_before_those_of_the_feeds() -> None:
    assert bot_of(b'{"0": {"status": "paused"}, "status": "running"}').status == "running"
    assert bot_of(b'{"0": {}, "1": {"status": "paused"}, "2": {"status": "idle"}}').status == "paused"
    assert bot_of(b'{"status": null, "0": {"status": 5}}').status is None


def test_the_time_is_that_of_the_newest_feed() -> None:
    assert bot_of(b'{"0": {"timestamp": 5}, "1": {"timestamp": "x"}, "2": {"timestamp": 9}}').time == 9.0
    assert bot_of(b'{"0": {}}').time is None


def test_members_that_are_no_objects_are_no_feeds_but_stay_stored() -> None:
    record = record_of("7", {"7": '{"status": "läuft", "name": "n"}'.encode()})
    assert isinstance(record.value, Bot)
    assert record.value.feeds == {}
    assert record.extras == {"stored": {"status": "läuft", "name": "n"}}


def test_a_bot_that_only_blocks_or_opens_is_there_without_a_stored_object() -> None:
    record = record_of("9", {"7": FEED}, {}, {"bitmex:BTC/USD:BTC": b"9:2026-01-15T10:30:00+00:00"})
    assert record.value == Bot("9", None, {}, (), (Market("bitmex", "BTC/USD:BTC"),), None)
    assert record.extras is None


@pytest.mark.parametrize("value", [b"a:b:2026-01-15T10:30:00+00:00", b"a:b:2026-01-15 10:30:00"])
def test_an_openings_bot_may_have_colons_in_its_id(value: bytes) -> None:
    assert record_of("a:b", opening={"kraken:GOLD": value}).key == ("a:b",)


def test_an_opening_without_a_time_still_names_its_bot() -> None:
    assert record_of("9", opening={"kraken:GOLD": b"9"}).key == ("9",)


def test_markets_are_in_alphabetical_order_whatever_order_redis_has() -> None:
    first = record_of("7", blocks={"kraken:B": b"7", "binance:C": b"7", "kraken:A": b"7"})
    second = record_of("7", blocks={"kraken:A": b"7", "kraken:B": b"7", "binance:C": b"7"})
    assert first == second


@pytest.mark.parametrize("raw", [b"{broken", b"[]", b"\xff"])
def test_broken_json_shows_as_such_and_hides_no_neighbour(raw: bytes) -> None:
    record = record_of("8", {"7": FEED, "8": raw})
    assert isinstance(record.value, Bot)
    assert (record.value.feeds, record.value.status) == ({}, None)
    assert record.extras == {"stored": {"error": "Invalid JSON"}}
    assert record.flaw in {"json", "shape"}
    assert record_of("7", {"7": FEED, "8": raw}).flaw is None


@pytest.mark.parametrize(
    ("field", "value"), [("kraken", b"7"), (":GOLD", b"7"), ("kraken:", b"7"), ("kraken:GOLD", b"")]
)
def test_a_block_without_market_or_bot_is_malformed_by_its_field(field: str, value: bytes) -> None:
    refused = decode({"block_exchange": {field: value}})[field,]
    assert isinstance(refused, Malformed)
    assert refused.reason == "market"


def test_a_bot_without_an_id_is_malformed() -> None:
    assert isinstance(decode({"bot_status": {"": b"{}"}})["",], Malformed)
