"""The base endpoint ``/ws``: two operations, the error cases of its own envelope, and every action of every domain."""

import time
import uuid

import pytest

from cache_streams.protocol.rpc.actions import BASE_OPERATIONS
from tests.integration.wire.collector import Collector, fresh_name
from tests.integration.wire.rpc_client import Connect, Frame, Number, assert_shape

SUCCESS_KEYS = {"request_id", "success", "result", "error", "error_code", "timestamp", "latency_ms"}
ERROR_KEYS = {"request_id", "success", "error", "error_code", "timestamp", "details"}
# From the wire's description, not from the code: the code must serve exactly these.
OPERATIONS = [
    "ping",
    "health_check",
    "get_ticker",
    "get_all_tickers",
    "stream_tickers",
    "get_user_positions",
    "get_user_balances",
    "get_account_status",
    "stream_user_positions",
    "stream_user_balances",
    "get_order_status",
    "get_queue_length",
    "stream_order_queue",
    "is_blocked",
    "get_bots",
    "stream_bot_status",
    "get_trades",
    "get_trade_status",
    "stream_trade_updates",
    "get_latest_ohlcv_bars",
    "stream_ohlcv_updates",
    "get_active_processes",
    "get_system_health",
    "stream_process_health",
]


async def asked(connect: Connect, frame: object) -> Frame:
    async with connect("/ws") as socket:
        await socket.send(frame)
        return await socket.receive()


def assert_error(frame: Frame, code: str, text: str, request_id: object) -> None:
    assert frame.keys() == ERROR_KEYS
    assert (frame["error_code"], frame["request_id"], frame["success"]) == (code, request_id, False)
    assert text.lower() in frame["error"].lower()
    assert frame["details"] is None
    assert frame["timestamp"] == pytest.approx(time.time(), abs=30)


async def test_ping_is_answered_with_all_seven_keys(connect: Connect) -> None:
    frame = await asked(connect, {"operation": "ping", "request_id": "r1", "params": {}, "timestamp": 1.5})
    assert frame.keys() == SUCCESS_KEYS
    assert (frame["request_id"], frame["success"], frame["result"]) == ("r1", True, {"status": "ok"})
    assert (frame["error"], frame["error_code"]) == (None, None)
    assert_shape(frame, timestamp=float, latency_ms=Number)
    assert frame["timestamp"] == pytest.approx(time.time(), abs=30)
    assert 0 <= frame["latency_ms"] < 5000


async def test_health_check_has_exactly_two_parts_both_healthy(connect: Connect) -> None:
    frame = await asked(connect, {"operation": "health_check", "request_id": "r1"})
    assert frame.keys() == SUCCESS_KEYS
    result = frame["result"]
    assert result.keys() == {"websocket", "cache"}
    assert (result["websocket"]["status"], result["cache"]["status"]) == ("healthy", "healthy")
    assert_shape(result["websocket"], framework=str, transport=str, timestamp=Number, services=dict)
    assert_shape(result["cache"], timestamp=Number, services=dict)


async def test_a_request_without_an_id_gets_a_uuid(connect: Connect) -> None:
    first = await asked(connect, {"operation": "ping"})
    second = await asked(connect, {"operation": "ping"})
    assert uuid.UUID(first["request_id"]).version == 4
    assert first["request_id"] != second["request_id"]


@pytest.mark.parametrize("request_id", [7, 0, 1.5, ""])
async def test_a_numeric_or_empty_request_id_is_echoed_as_given(connect: Connect, request_id: object) -> None:
    frame = await asked(connect, {"operation": "ping", "request_id": request_id})
    assert (frame["request_id"], type(frame["request_id"])) == (request_id, type(request_id))


async def test_unknown_extra_fields_are_ignored(connect: Connect) -> None:
    frame = await asked(connect, {"operation": "ping", "request_id": "r", "colour": "red", "version": [1]})
    assert frame["success"] is True


async def test_what_is_not_json_is_a_malformed_message(connect: Connect) -> None:
    async with connect("/ws") as socket:
        for text in ("{", "ping", "", "[1]", "null", "5", '"ping"', '{"operation": NaN}', b"\xff\xfe", b"[]"):
            await socket.send_raw(text)
            assert_error(await socket.receive(), "MALFORMED_MESSAGE", "Malformed JSON", None)


async def test_a_binary_frame_is_read_as_json(connect: Connect) -> None:
    async with connect("/ws") as socket:
        await socket.send_raw(b'{"operation": "ping", "request_id": "b"}')
        frame = await socket.receive()
    assert (frame["request_id"], frame["result"]) == ("b", {"status": "ok"})


async def test_an_unknown_operation_says_so_in_the_words_that_a_client_looks_for(connect: Connect) -> None:
    frame = await asked(connect, {"operation": "nonsense", "request_id": "r1"})
    assert_error(frame, "INVALID_OPERATION", "Invalid FastAPI WebSocket operation", "r1")


@pytest.mark.parametrize(
    ("frame", "request_id"),
    [
        ({"request_id": "r1"}, "r1"),
        ({"operation": None, "request_id": "r1"}, "r1"),
        ({"operation": 5, "request_id": "r1"}, "r1"),
        ({"operation": "ping", "request_id": None}, None),
        ({"operation": "ping", "request_id": {"a": 1}}, None),
        ({"operation": "ping", "request_id": True}, None),
        ({"operation": "ping", "request_id": "r1", "params": None}, "r1"),
        ({"operation": "ping", "request_id": "r1", "params": [1]}, "r1"),
        ({"operation": "ping", "request_id": "r1", "timestamp": "now"}, "r1"),
    ],
    ids=repr,
)
async def test_fields_of_wrong_types_are_an_invalid_operation(
    connect: Connect, frame: object, request_id: object
) -> None:
    assert_error(await asked(connect, frame), "INVALID_OPERATION", "", request_id)


def test_twenty_four_operations_are_recognised() -> None:
    assert len(OPERATIONS) == 24
    assert set(OPERATIONS) == BASE_OPERATIONS


@pytest.mark.parametrize("operation", OPERATIONS[2:])
async def test_a_recognised_operation_is_not_implemented_here(connect: Connect, operation: str) -> None:
    frame = await asked(
        connect, {"operation": operation, "request_id": "r1", "params": {"exchange": "kraken"}}
    )
    assert_error(frame, "INVALID_OPERATION", "not implemented", "r1")


async def test_actions_of_every_domain_are_served_in_the_domain_envelope(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, "BTC/USDC")
    queries: list[tuple[str, dict[str, object]]] = [
        ("get_ticker", {"exchange": exchange, "symbol": "BTC/USDC"}),
        ("get_queue_length", {"exchange": exchange}),
        ("get_trades", {"exchange": exchange, "symbol": "BTC/USDC"}),
        ("get_positions", {"exchange": 999_999_999}),
        ("get_bots", {}),
        ("get_system_health", {}),
        ("ping", {}),
    ]
    async with connect("/ws") as socket:
        for action, params in queries:
            assert (await socket.ask(action, **params)).keys() == {
                "request_id",
                "action",
                "success",
                "result",
            }
        assert (
            await socket.error("get_latest_ohlcv_bars", symbol=exchange, timeframe="1m") == "OHLCV_NOT_FOUND"
        )
        assert await socket.error("no_such_action") == "INVALID_OPERATION"


async def test_streams_of_the_base_endpoint_are_named_ws(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, "BTC/USDC")
    async with connect("/ws") as socket:
        key = await socket.stream("stream_tickers", exchange=exchange)
        assert key == "ws:s1"
        assert (await socket.update("ticker_update"))["stream_key"] == key


async def test_when_a_frame_has_both_the_base_endpoint_reads_operation(connect: Connect) -> None:
    frame = await asked(connect, {"operation": "ping", "action": "get_bots", "request_id": "r1"})
    assert frame.keys() == SUCCESS_KEYS
    assert frame["result"] == {"status": "ok"}


async def test_the_path_may_end_with_a_slash(connect: Connect) -> None:
    async with connect("/ws/") as socket:
        await socket.send({"operation": "ping", "request_id": "r1"})
        assert (await socket.receive())["success"] is True
