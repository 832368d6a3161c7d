"""The registry, and what every declared decoder owes: a record or Malformed, whatever was stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.streams import REGISTRY, by_name, orders, tickers
from cache_streams.streams.declaration import (
    Audience,
    Bars,
    Beacons,
    HashFields,
    JoinedHashes,
    ListTail,
    Malformed,
    Record,
    Stream,
)

MEMBERS = [
    *(
        "price",
        "volume",
        "amount",
        "time",
        "timestamp",
        "trade_id",
        "symbol",
        "side",
        "ex_id",
        "uid",
        "bot_id",
    ),
    *(
        "final_volume",
        "status",
        "date",
        "USDT",
        "total",
        "balance",
        "free",
        "available",
        "used",
        "reserved",
        "feed_1",
    ),
    *(
        "process_type",
        "component",
        "params",
        "heartbeat",
        "created_at",
        "updated_at",
        "change_24h",
        "ex_order_id",
    ),
]
texts = st.text(max_size=8) | st.sampled_from(
    ["1.5", "buy", "long", "tick", "2026-01-15 10:30:00", "BTC/USDC", "1e99"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
names = st.sampled_from(MEMBERS) | st.text(max_size=4)
objects = st.dictionaries(
    names, scalars | st.lists(scalars, max_size=8) | st.dictionaries(names, scalars), max_size=8
)
stored = (
    st.one_of(objects, st.lists(scalars, max_size=8), scalars).map(lambda x: json.dumps(x).encode())
    | st.binary()
)
nulls = st.dictionaries(st.sampled_from(MEMBERS), st.none()).map(lambda x: json.dumps(x).encode())
keys = st.text(max_size=8)
moments = st.floats(0, 4e9)


def read(stream: Stream, raw: bytes, key: str, now: float) -> list[Record]:
    layout = stream.layout
    found: Mapping[Any, Record | Malformed]
    if isinstance(layout, JoinedHashes):
        found = layout.decode({name: {key: raw} for name in layout.names})
        return [record for record in found.values() if isinstance(record, Record)]
    placeholders = {"exchange": "kraken", "symbol": key, "timeframe": "1m", "process_id": f"tick:{key}:1"}
    try:
        match layout:
            case HashFields():
                return [layout.decode(placeholders, key, raw)]
            case ListTail():
                return [layout.decode(placeholders, raw)]
            case Bars():
                return [layout.decode(placeholders, raw, now)]
            case Beacons():
                return [layout.decode(placeholders, raw, key, now)]
    except Malformed:
        pass
    return []


@pytest.mark.parametrize("stream", REGISTRY, ids=lambda stream: stream.name)
@given(raw=stored, key=keys, now=moments)
def test_whatever_is_stored_is_read_or_malformed(stream: Stream, raw: bytes, key: str, now: float) -> None:
    for record in read(stream, raw, key, now):
        assert isinstance(record.value, stream.payload)
        assert len(record.key) == len(stream.key_fields)
        assert all(record.key)


@pytest.mark.parametrize("stream", REGISTRY, ids=lambda stream: stream.name)
@given(raw=stored, key=keys, now=moments)
def test_what_was_read_survives_the_log(stream: Stream, raw: bytes, key: str, now: float) -> None:
    for record in read(stream, raw, key, now):
        body = msgspec.json.encode(record.value)
        assert msgspec.json.decode(body, type=stream.payload) == record.value
        assert msgspec.json.decode(msgspec.json.encode(record.extras)) == record.extras


@pytest.mark.parametrize(
    "read_nulls",
    [
        lambda raw: tickers.decode({"exchange": "kraken"}, "BTC/USDC", raw, missing_price=0.0),
        lambda raw: orders.decode({"exchange": "kraken"}, "O1", raw, fallback_time=5.0),
    ],
    ids=["tickers", "orders"],
)
@given(raw=nulls)
def test_null_numbers_never_produce_an_error(read_nulls: Callable[[bytes], Record], raw: bytes) -> None:
    assert read_nulls(raw).value is not None


@given(raw=nulls)
def test_null_members_never_hide_a_private_value_or_a_process(raw: bytes) -> None:
    for name in ("accounts", "positions", "bots", "process"):
        assert read(by_name[name], raw, "7", 0.0)


def test_names_are_unique_and_make_the_index() -> None:
    assert [stream.name for stream in REGISTRY] == list(by_name)
    assert len(by_name) == len(REGISTRY)


@pytest.mark.parametrize("stream", REGISTRY, ids=lambda stream: stream.name)
def test_a_declaration_is_consistent(stream: Stream) -> None:
    assert stream.partition is None or stream.partition in stream.key_fields
    assert (stream.owner is not None) == (stream.audience in (Audience.OWNER, Audience.SELF))
    assert stream.owner is None or stream.owner in stream.key_fields
    assert stream.payload.__struct_config__.frozen


def test_the_canonical_fields_are_those_of_the_protocol() -> None:
    assert {stream.name: " ".join(stream.payload.__struct_fields__) for stream in REGISTRY} == {
        "tickers": "exchange symbol price bid ask last volume change percentage time",
        "trades": "exchange symbol trade_id side price volume time",
        "orders": "exchange order_id ex_order_id account bot user symbol side order_type volume filled remaining price"
        " status time",
        "accounts": "account balances time",
        "positions": "account positions",
        "bots": "bot status feeds blocks opening time",
        "ohlcv": "symbol timeframe time open high low close volume closed",
        "process": "process_id type component status message params created updated heartbeat age_s stale",
        "agents": "type stream version event_id run_id thread_id user_id agent_name seq cursor timestamp timestamp_ms"
        " producer_timestamp status task user_context context metadata message reasoning step_number"
        " progress_percentage tool_name parameters execution_id results duration success final_response"
        " execution_summary error",
    }
