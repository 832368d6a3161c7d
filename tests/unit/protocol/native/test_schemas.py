"""Schemas: of every message, in draft 7, and true to what the server's own types read and write."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from cache_streams.protocol.native import frames, requests
from cache_streams.protocol.native.schemas import (
    named_schemas,
    reference,
    request_name,
    snapshot_name,
    update_name,
)
from cache_streams.streams import REGISTRY, by_name
from cache_streams.streams.tickers import Ticker

SCHEMAS = named_schemas()
Json = Any  # Any: JSON


def says(name: str, value: Json) -> bool:
    whole = {**reference(name), "components": {"schemas": SCHEMAS}}
    return bool(jsonschema.Draft7Validator(whole).is_valid(value))


def test_every_schema_is_one_of_draft_7() -> None:
    for schema in SCHEMAS.values():
        jsonschema.Draft7Validator.check_schema(schema)
        assert "prefixItems" not in str(schema)


def test_every_schema_says_in_markdown_what_it_is() -> None:
    for name, schema in SCHEMAS.items():
        assert schema["description"].endswith("."), name
        assert "``" not in schema["description"]


def test_every_message_of_the_code_has_a_schema() -> None:
    forms: list[type[msgspec.Struct]] = [*frames.FRAMES, *frames.ACKS.values(), frames.ErrorAck]
    wanted = {form.__name__ for form in forms}
    wanted |= {request_name(op) for op in requests.OPERATIONS}
    wanted |= {name(stream) for stream in REGISTRY for name in (snapshot_name, update_name)}
    wanted |= {stream.payload.__name__ for stream in REGISTRY}
    assert wanted <= SCHEMAS.keys()


def test_what_the_server_always_sends_is_required() -> None:
    assert set(SCHEMAS["PingAck"]["required"]) == {"type", "op", "ok", "time_in", "time_out", "warnings"}
    ack = msgspec.to_builtins(frames.PingAck(op="ping", time_in=1.0, time_out=2.0))
    assert says("PingAck", ack)
    assert not says("PingAck", {**ack, "op": "list"})
    assert "id" not in SCHEMAS["PingAck"]["required"]


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"op": "subscribe", "stream": "tickers", "exchange": "kraken", "symbol": "*"}, True),
        ({"op": "subscribe", "stream": "tickers", "exchange": ["a", "b"], "symbol": ["c"], "id": "x"}, True),
        ({"op": "subscribe", "stream": "tickers", "exchange": "kraken"}, False),
        ({"op": "subscribe", "stream": "tickers", "exchange": "*", "symbol": "BTC/USDC"}, False),
        ({"op": "subscribe", "stream": "orders", "exchange": "kraken"}, True),
        ({"op": "subscribe", "stream": "agents"}, True),
        ({"op": "subscribe", "stream": "nope"}, False),
        ({"op": "subscribe", "stream": "bots", "bot": "", "mode": "latest"}, False),
        ({"op": "subscribe", "stream": "bots", "bot": "1", "mode": "fast"}, False),
        ({"op": "subscribe", "stream": "bots", "bot": "1", "interval_ms": 49}, False),
    ],
)
def test_a_subscription_names_the_key_fields_of_its_stream(given: Json, right: bool) -> None:
    assert says("SubscribeRequest", given) is right


def test_fields_that_nobody_knows_are_allowed_both_ways() -> None:
    assert says("PingRequest", {"op": "ping", "later": 1})
    assert says("Heartbeat", {"type": "heartbeat", "time": 1.0, "later": 1})


def test_snapshots_and_updates_hold_what_their_kind_of_stream_holds() -> None:
    ticker = msgspec.to_builtins(Ticker("kraken", "BTC/USDC", 1.0))
    common: Json = {"seq": 1, "cursor": "e.1-0", "key": "k"}
    update: Json = {"type": "update", **common, "ts": [None, 1.0]}
    snapshot: Json = {"type": "snapshot", "sub": 1, **common}
    assert says("TickersUpdate", {**update, "stream": "tickers", "data": ticker})
    assert says("TickersUpdate", {**update, "stream": "tickers", "data": None})
    assert not says("TickersUpdate", {**update, "stream": "trades", "data": ticker})
    assert not says("TradesUpdate", {**update, "stream": "trades", "data": None})
    assert says("OrdersUpdate", {**update, "stream": "orders", "data": {"deleted": "O1"}})
    assert not says("TickersUpdate", {**update, "stream": "tickers", "data": ticker, "ts": [1.0, 1.0, 1.0]})
    assert says("TradesSnapshot", {**snapshot, "stream": "trades", "data": []})
    assert says("TradesSnapshot", {**snapshot, "stream": "trades", "data": None})
    assert not says("TickersSnapshot", {**snapshot, "stream": "tickers", "data": [ticker]})


def test_names_are_made_of_the_streams() -> None:
    assert snapshot_name(by_name["ohlcv"]) == "OhlcvSnapshot"
    assert update_name(by_name["bots"]) == "BotsUpdate"
