"""What a native socket refuses, with which code; and what ends it."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.cache_sockets import closed, token_of
from tests.integration.native.client import connected
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import fresh_name
from tests.integration.wire.rpc_client import Frame
from tests.live import LiveServer

MARKET = {"stream": "tickers", "exchange": "kraken", "symbol": "BTC/USDC"}
REFUSED: list[tuple[Frame, str, str | None]] = [
    ({"op": "fly"}, "INVALID_OPERATION", "op"),
    ({"op": "subscribe"}, "INVALID_PARAMS", "stream"),
    ({"op": "subscribe", "stream": "weather"}, "UNKNOWN_STREAM", "stream"),
    ({"op": "subscribe", "stream": "tickers", "exchange": "kraken"}, "INVALID_PARAMS", "symbol"),
    ({"op": "subscribe", **MARKET, "symbol": 7}, "INVALID_PARAMS", "symbol"),
    ({"op": "subscribe", **MARKET, "symbol": []}, "INVALID_PARAMS", "symbol"),
    ({"op": "subscribe", **MARKET, "symbol": "x" * 200}, "INVALID_PARAMS", "symbol"),
    ({"op": "subscribe", **MARKET, "mode": "some"}, "INVALID_PARAMS", "mode"),
    ({"op": "subscribe", **MARKET, "mode": "sample", "interval_ms": 49}, "INVALID_PARAMS", "interval_ms"),
    ({"op": "subscribe", **MARKET, "mode": "sample", "interval_ms": 60_001}, "INVALID_PARAMS", "interval_ms"),
    ({"op": "subscribe", **MARKET, "since": "yesterday"}, "INVALID_CURSOR", "since"),
    ({"op": "subscribe", **MARKET, "since": 7}, "INVALID_PARAMS", "since"),
    ({"op": "unsubscribe"}, "INVALID_PARAMS", "sub"),
    ({"op": "unsubscribe", "sub": "one"}, "INVALID_PARAMS", "sub"),
    ({"op": "token"}, "INVALID_PARAMS", "token"),
    ({"op": "explain"}, "INVALID_PARAMS", "request"),
]


@pytest.mark.parametrize(("asked", "code", "field"), REFUSED, ids=lambda value: str(value)[:40])
async def test_a_bad_request_is_told_its_code_and_field(
    native: Open, asked: Frame, code: str, field: str | None
) -> None:
    async with native() as socket:
        op = asked["op"]
        ack = await socket.refused(op, **{name: value for name, value in asked.items() if name != "op"})
        assert (ack["error_code"], ack.get("field"), ack["retryable"]) == (code, field, False)
        await socket.done("ping")


@pytest.mark.parametrize("text", ["{", "[]", "7", '"ping"', '{"op": 7}', '{"op": "ping", "x": NaN}', "{}"])
async def test_what_cannot_be_read_is_told_by_an_error_frame(native: Open, text: str) -> None:
    async with native() as socket:
        await socket.send_raw(text)
        frame = await socket.receive()
        assert (frame["type"], frame["error_code"]) == ("error", "MALFORMED_MESSAGE")
        await socket.done("ping")


async def test_an_id_that_is_no_id_is_refused_by_name(native: Open) -> None:
    async with native() as socket:
        await socket.send({"op": "ping", "id": [1]})
        frame = await socket.receive()
        assert (frame["error_code"], frame["field"]) == ("INVALID_PARAMS", "id")


async def test_twenty_bad_frames_in_a_row_end_the_socket(native: Open) -> None:
    async with native() as socket:
        for _ in range(19):
            await socket.send_raw("{")
        await socket.done("ping")  # nineteen do not, and a good one counts them anew
        for _ in range(20):
            await socket.send_raw("{")
        told = await socket.told(error_code="RATE_LIMITED")
        assert told["retryable"] is True
        assert told["retry_after_ms"] > 0
        assert told["incident"]
        assert await closed(socket) == (4429, "rate_limited")


async def test_a_binary_frame_ends_the_socket(native: Open) -> None:
    async with native() as socket:
        await socket.send_raw(b'{"op": "ping"}')
        assert await closed(socket) == (1003, "unsupported_data")


async def test_a_frame_above_the_limit_ends_the_socket(native: Open) -> None:
    async with native() as socket:
        await socket.send_raw('{"op": "ping", "x": "%s"}' % ("x" * socket.welcome["limits"]["frame_bytes"]))
        code, _ = await closed(socket)
        assert code == 1009


async def test_more_requests_than_the_rate_are_refused_with_the_time_to_wait(native: Open) -> None:
    async with native() as socket:
        rate = socket.welcome["limits"]["requests_per_s"]
        for number in range(2 * rate):
            await socket.send({"op": "ping", "id": number})
        acks = [await socket.receive() for _ in range(2 * rate)]
        refused = [ack for ack in acks if not ack["ok"]]
        assert rate <= len(acks) - len(refused) < 2 * rate
        for ack in refused:
            assert (ack["error_code"], ack["retryable"]) == ("RATE_LIMITED", True)
            assert 0 < ack["retry_after_ms"] <= 1000


async def test_who_never_heeds_the_rate_is_sent_away(native: Open) -> None:
    async with native() as socket:
        for number in range(400):
            await socket.send({"op": "ping", "id": number})
        assert await closed(socket) == (4429, "rate_limited")


async def test_more_subscriptions_than_told_are_refused_and_change_nothing(native: Open) -> None:
    exchange = fresh_name()
    async with native() as socket:
        limit = socket.welcome["limits"]["subscriptions"]
        names = [f"S{number}" for number in range(limit - 1)]
        await socket.done("subscribe", stream="tickers", exchange=exchange, symbol=names, snapshot=False)
        two = await socket.refused("subscribe", stream="tickers", exchange=exchange, symbol=["A/B", "C/D"])
        assert two["error_code"] == "TOO_MANY_SUBSCRIPTIONS"
        assert len((await socket.done("list"))["subscriptions"]) == limit - 1
        await socket.done("subscribe", stream="tickers", exchange=exchange, symbol="A/B")
        one = await socket.refused("subscribe", stream="tickers", exchange=exchange, symbol="E/F")
        assert one["error_code"] == "TOO_MANY_SUBSCRIPTIONS"
        again = await socket.done("subscribe", stream="tickers", exchange=exchange, symbol="A/B")
        assert len(again["subscriptions"]) == 1  # in place of the first


async def test_without_a_good_token_there_is_no_socket(live_server_process: LiveServer) -> None:
    for token in ("nonsense", token_of(live_server_process, exp=1)):
        with pytest.raises(InvalidStatus) as refused:
            async with connected(live_server_process, token):
                pass
        assert refused.value.response.status_code == 401
