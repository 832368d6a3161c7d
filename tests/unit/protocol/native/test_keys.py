import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol.native.errors import Refused
from cache_streams.protocol.native.keys import (
    find_stream,
    open_field,
    optional_fields,
    parse_key,
    pattern_text,
    read_patterns,
    request_fields,
    span_of,
    whole_key,
)
from cache_streams.streams import REGISTRY, by_name
from cache_streams.streams.declaration import Stream

LIMIT = 1024
names = st.text(string.ascii_letters + string.digits + "/-_. ", min_size=1, max_size=20)
streams = st.sampled_from(REGISTRY)


def refused(stream: str, **fields: Any) -> Refused:  # Any: whatever a client may send
    with pytest.raises(Refused) as caught:
        read_patterns(by_name[stream], fields, LIMIT)
    return caught.value


def test_each_stream_is_asked_for_by_its_own_key_fields() -> None:
    assert {stream.name: request_fields(stream) for stream in REGISTRY} == {
        "tickers": ("exchange", "symbol"),
        "trades": ("exchange", "symbol"),
        "orders": ("exchange", "account"),
        "accounts": ("account",),
        "positions": ("account",),
        "bots": ("bot",),
        "ohlcv": ("symbol", "timeframe"),
        "process": ("type",),
        "agents": ("user",),
    }


def test_whose_orders_and_whose_agents_may_be_left_out() -> None:
    assert [stream.name for stream in REGISTRY if optional_fields(stream)] == ["orders", "agents"]
    assert read_patterns(by_name["orders"], {"exchange": "kraken"}, LIMIT) == [("kraken", None)]
    assert read_patterns(by_name["agents"], {}, LIMIT) == [(None,)]


def test_lists_are_combined_in_their_order_and_each_key_counts_once() -> None:
    given_fields = {"exchange": ["kraken", "binance", "kraken"], "symbol": ["BTC/USDC", "*"]}
    assert [pattern_text(p) for p in read_patterns(by_name["tickers"], given_fields, LIMIT)] == [
        "kraken:BTC/USDC", "kraken:*", "binance:BTC/USDC", "binance:*",
    ]  # fmt: skip


def test_an_account_of_orders_is_one_kind_of_owner() -> None:
    patterns = read_patterns(by_name["orders"], {"exchange": "kraken", "account": "7"}, LIMIT)
    assert patterns == [("kraken", "account:7")]


def test_every_symbol_of_a_timeframe_stands_in_one_log() -> None:
    (pattern,) = read_patterns(by_name["ohlcv"], {"symbol": "*", "timeframe": "1m"}, LIMIT)
    assert (span_of(by_name["ohlcv"], pattern).partition, span_of(by_name["ohlcv"], pattern).under) == (
        "1m",
        (),
    )


@pytest.mark.parametrize(
    ("stream", "fields"),
    [("tickers", {"exchange": "*", "symbol": "BTC/USDC"}), ("ohlcv", {"symbol": "BTC/USDC", "timeframe": "*"}),
     ("orders", {"exchange": "*"})],
)  # fmt: skip
def test_the_field_that_names_the_log_cannot_be_left_open(stream: str, fields: dict[str, str]) -> None:
    fault = refused(stream, **fields)
    assert (fault.code, fault.field) == ("INVALID_PARAMS", next(n for n, v in fields.items() if v == "*"))


@pytest.mark.parametrize("value", ["", "x" * 129, "a\x00b", 7, True, [], ["a", 7], {"a": 1}, None, [[]]])
def test_a_bad_name_is_refused_with_its_field(value: object) -> None:
    fault = refused("accounts", account=value)
    assert (fault.code, fault.field) == ("INVALID_PARAMS", "account")
    assert fault.text.startswith("account: ")


def test_more_keys_than_a_socket_may_have_are_refused_before_they_are_combined() -> None:
    many = [f"n{number}" for number in range(LIMIT)]
    assert refused("tickers", exchange=many, symbol=many).code == "TOO_MANY_SUBSCRIPTIONS"


def test_a_key_that_no_group_can_stand_for_is_refused() -> None:
    assert refused("accounts", account="ü" * 60).field == "account"


def test_a_stream_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        find_stream(by_name, "nonsense")
    assert caught.value.code == "UNKNOWN_STREAM"


def test_a_colon_in_a_symbol_stays_with_the_symbol() -> None:
    assert parse_key(by_name["tickers"], "kraken:BTC/USDC:USDC") == ("kraken", "BTC/USDC:USDC")
    assert parse_key(by_name["ohlcv"], "BTC/USDC:USDC:1m") == ("BTC/USDC:USDC", "1m")
    assert parse_key(by_name["orders"], "kraken:account:7") == ("kraken", "account:7")


@pytest.mark.parametrize("text", ["kraken", "", ":", "kraken:"])
def test_what_is_no_key_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        parse_key(by_name["tickers"], text)


@given(streams, st.data())
def test_a_named_key_is_read_as_itself_wherever_it_is_told(stream: Stream, data: st.DataObject) -> None:
    values = {field: data.draw(names) for field in request_fields(stream)}
    (pattern,) = read_patterns(stream, values, LIMIT)
    key = whole_key(pattern)
    assert key is not None
    assert parse_key(stream, pattern_text(pattern)) == key
    assert span_of(stream, pattern).under == key


@given(streams, st.data())
def test_an_open_field_leaves_a_beginning_of_its_keys_and_their_log(
    stream: Stream, data: st.DataObject
) -> None:
    values = {field: data.draw(names) for field in request_fields(stream)}
    (whole,) = read_patterns(stream, values, LIMIT)
    (pattern,) = read_patterns(stream, {**values, open_field(stream) or "": "*"}, LIMIT)
    span, key = span_of(stream, pattern), whole_key(whole)
    assert key is not None
    assert whole_key(pattern) is None
    assert key[: len(span.under)] == span.under
    assert span.partition == span_of(stream, whole).partition


def test_a_declared_stream_is_found_by_its_name() -> None:
    assert find_stream(by_name, "trades") is by_name["trades"]
