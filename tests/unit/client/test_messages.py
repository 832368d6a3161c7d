import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.messages import (
    AnyAck,
    Deleted,
    MalformedFrame,
    Unknown,
    UpdateFrame,
    read_ack,
    read_data,
    read_frame,
)
from cache_streams.protocol.native.frames import ErrorAck, Limits, TokenAck, Welcome
from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import Kind, Stream
from cache_streams.streams.trades import Trade

TRADE = {
    "exchange": "k",
    "symbol": "s",
    "trade_id": "1",
    "side": None,
    "price": 1.0,
    "volume": 1.0,
    "time": 0.0,
}


def raw(value: Any) -> msgspec.Raw:  # Any: JSON
    return msgspec.Raw(msgspec.json.encode(value))


def test_a_welcome_of_a_server_from_before_replays_is_read() -> None:
    limits = {"subscriptions": 1, "requests_per_s": 2, "frame_bytes": 3}
    facts = {"connection_id": "c", "user_id": 1, "protocol": "p", "server_time": 0.0, "heartbeat_s": 1.0}
    welcome = {"type": "welcome", **facts, "token_expires_at": None, "streams": [], "warnings": []}
    frame = read_frame(msgspec.json.encode({**welcome, "limits": limits}))
    assert isinstance(frame, Welcome)
    assert frame.limits == Limits(subscriptions=1, replays=0, requests_per_s=2, frame_bytes=3)


def test_an_update_is_read_with_fields_of_a_newer_server_left_out() -> None:
    frame = read_frame(
        b'{"type":"update","stream":"t","key":"k","seq":1,"cursor":null,"ts":[null,1.0],"data":5,"new":1}'
    )
    assert isinstance(frame, UpdateFrame)
    assert (frame.seq, bytes(frame.data)) == (1, b"5")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"type":1}', b"\xff", b'{"type":"update"}', b'{"type":"ack","op":1}']
)
def test_what_no_server_sends_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedFrame):
        read_frame(text)


def test_a_kind_from_the_future_is_unknown() -> None:
    with pytest.raises(Unknown):
        read_frame(b'{"type":"weather"}')


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(Unknown, MalformedFrame):
        read_frame(text)


def test_an_answer_is_read_as_that_of_its_operation() -> None:
    text = b'{"type":"ack","op":"token","id":1,"ok":true,"time_in":1,"time_out":1,"token_expires_at":null,"subscriptions":[]}'
    head = read_frame(text)
    assert isinstance(head, AnyAck)
    assert isinstance(read_ack(head, text), TokenAck)


def test_a_refusal_is_read_whatever_was_asked() -> None:
    fields = b'"time_in":1,"time_out":1,"error_code":"X","error":"x","retryable":false}'
    text = b'{"type":"ack","op":"future","id":1,"ok":false,' + fields
    assert isinstance(read_ack(AnyAck(op="future", id=1, ok=False), text), ErrorAck)


def test_an_answer_without_its_fields_is_malformed() -> None:
    with pytest.raises(MalformedFrame):
        read_ack(AnyAck(op="token", id=1, ok=True), b'{"type":"ack","op":"token","id":1,"ok":true}')


@pytest.mark.parametrize("stream", REGISTRY, ids=lambda stream: stream.name)
def test_a_value_that_is_not_there_is_none(stream: Stream) -> None:
    assert read_data(stream.name, "snapshot", raw(None)) is None
    if stream.kind is not Kind.VALUE:
        assert read_data(stream.name, "snapshot", raw([])) == []


def test_a_list_is_read_element_by_element() -> None:
    (trade,) = read_data("trades", "snapshot", raw([TRADE]))
    assert isinstance(trade, Trade)
    assert isinstance(read_data("trades", "update", raw(TRADE)), Trade)


def test_an_element_that_left_is_named() -> None:
    assert read_data("orders", "update", raw({"deleted": "O1"})) == Deleted("O1")


def test_a_stream_of_a_newer_server_gives_plain_objects() -> None:
    assert read_data("weather", "update", raw({"rain": True})) == {"rain": True}


def test_what_is_no_object_of_the_stream_is_malformed() -> None:
    with pytest.raises(MalformedFrame, match="data of trades"):
        read_data("trades", "update", raw({"price": "a lot"}))
