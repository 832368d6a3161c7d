"""The five frame shapes, what is echoed in them, and the names of streams."""

import json

import pytest

from tests.integration.wire.collector import Collector, fresh_name
from tests.integration.wire.rpc_client import Connect

REQUEST_IDS = [
    "r1", "", "ü€😀", "a\x00b", 0, 7, -3, 1.5, 1.0, True, False, [], {}, [1, [None, "x"]], {"a": {"b": None}},
    2**53 + 1, 2**64 - 1, 10**30,
]  # fmt: skip


def ident(request_id: object) -> str:
    return ascii(request_id)


async def test_a_success_has_id_action_success_and_result(connect: Connect) -> None:
    async with connect("/ws/orders/c1") as socket:
        frame = await socket.ask("get_queue_length", exchange=fresh_name())
    assert frame.keys() >= {"request_id", "action", "success", "result"}
    assert (frame["action"], frame["success"], frame["result"]["queue_length"]) == (
        "get_queue_length",
        True,
        0,
    )
    assert "error" not in frame
    assert "error_code" not in frame


async def test_not_found_has_the_action_and_its_code_and_no_result(connect: Connect) -> None:
    async with connect("/ws/tickers/c1") as socket:
        frame = await socket.ask("get_ticker", exchange=fresh_name(), symbol="BTC/USDT")
    assert frame.keys() == {"request_id", "action", "success", "error_code", "error"}
    assert (frame["action"], frame["success"], frame["error_code"]) == (
        "get_ticker",
        False,
        "TICKER_NOT_FOUND",
    )


async def test_another_error_names_its_code_and_the_action_when_known(connect: Connect) -> None:
    async with connect("/ws/tickers/c1") as socket:
        frame = await socket.ask("get_ticker", symbol="BTC/USDT")
        assert (frame["action"], frame["success"], frame["error_code"]) == (
            "get_ticker",
            False,
            "INVALID_PARAMS",
        )
        assert "exchange" in frame["error"]
        unknown = await socket.ask("no_such_action")
        assert (unknown["success"], unknown["error_code"]) == (False, "INVALID_OPERATION")
        assert "result" not in frame
        assert "result" not in unknown


async def test_a_confirmation_has_message_and_stream_key_and_no_result(connect: Connect) -> None:
    async with connect("/ws/ohlcv/c1") as socket:
        frame = await socket.ask("stream_ohlcv", "s1", symbol=fresh_name("S"), timeframe="1m")
    assert frame.keys() == {"request_id", "action", "success", "message", "stream_key"}
    assert (frame["action"], frame["success"], frame["stream_key"]) == ("stream_ohlcv", True, "c1:s1")
    assert isinstance(frame["message"], str)


async def test_an_update_has_its_own_action_and_the_stream_key_inside_the_result(
    connect: Connect, collector: Collector
) -> None:
    symbol = fresh_name("S") + "/USDT"
    collector.bars(symbol, "1m", [1700000180.0, 1.0, 2.0, 0.5, 1.5, 13.0])
    async with connect("/ws/ohlcv/c1") as socket:
        await socket.stream("stream_ohlcv", symbol=symbol, timeframe="1m")
        frame = await socket.receive()
    assert frame == {
        "request_id": "s1",
        "action": "ohlcv_update",
        "result": {
            "stream_key": "c1:s1",
            "symbol": symbol,
            "timeframe": "1m",
            "bar": [1700000180.0, 1.0, 2.0, 0.5, 1.5, 13.0],
        },
    }


@pytest.mark.parametrize("request_id", REQUEST_IDS, ids=ident)
async def test_a_request_id_of_any_type_comes_back_verbatim_in_every_shape(
    connect: Connect, request_id: object
) -> None:
    exchange = fresh_name()
    async with connect("/ws/orders/c1") as socket:
        answers = [
            await socket.ask("get_queue_length", request_id, exchange=exchange),
            await socket.ask("get_order_status", request_id, exchange=exchange, order_id="O1"),
            await socket.ask("get_queue_length", request_id),
            await socket.ask("stream_order_queue", request_id, exchange=exchange),
            await socket.receive(),
        ]
    assert [json.dumps(answer["request_id"]) for answer in answers] == [json.dumps(request_id)] * 5
    assert answers[-1]["action"] == "queue_update"


async def test_an_absent_request_id_comes_back_as_null(connect: Connect) -> None:
    async with connect("/ws/orders/c1") as socket:
        await socket.send({"action": "ping"})
        assert (await socket.receive())["request_id"] is None
        await socket.send({"action": "ping", "request_id": None})
        assert (await socket.receive())["request_id"] is None


@pytest.mark.parametrize(
    ("request_id", "key"),
    [("s1", "c1:s1"), ("", "c1:"), (7, "c1:7"), (1.5, "c1:1.5"), ([1], "c1:[1]")],
    ids=ident,
)
async def test_a_stream_key_is_connection_id_colon_request_id(
    connect: Connect, request_id: object, key: str
) -> None:
    async with connect("/ws/orders/c1") as socket:
        assert await socket.stream("stream_order_queue", request_id, exchange=fresh_name()) == key
        assert (await socket.update("queue_update", request_id))["stream_key"] == key


async def test_streams_without_a_request_id_have_keys_of_their_own(connect: Connect) -> None:
    exchange = fresh_name()
    async with connect("/ws/orders/c1") as socket:
        keys = []
        for _ in range(3):
            keys.append(await socket.stream("stream_order_queue", None, exchange=exchange))
            assert (await socket.update("queue_update", None))["stream_key"] == keys[-1]
    assert len(set(keys)) == 3
    assert all(key.startswith("c1:") and len(key) > len("c1:") for key in keys)
    assert "c1:None" not in keys


async def test_a_connection_id_may_be_any_one_segment(connect: Connect) -> None:
    for path, connection_id in [("client_7", "client_7"), ("a%20b", "a b"), ("a:b", "a:b"), ("%C3%BC", "ü")]:
        async with connect(f"/ws/orders/{path}", query="&mode=rpc") as socket:
            key = await socket.stream("stream_order_queue", exchange=fresh_name())
            assert key == f"{connection_id}:s1"


async def test_nothing_is_sent_on_connect(connect: Connect) -> None:
    for path in ("/ws", "/ws/tickers/c", "/ws/orders/c", "/ws/trades/c", "/ws/accounts/c", "/ws/bots/c",
                 "/ws/ohlcv/c", "/ws/process/c"):  # fmt: skip
        async with connect(path) as socket:
            await socket.quiet()
