"""Whatever a client sends, its socket stays open and its next question is answered."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from cache_streams.protocol.rpc.actions import ACTIONS, SYNONYMS
from tests.integration.wire.collector import Collector, fresh_name
from tests.integration.wire.rpc_client import Connect, Frame, Socket

PATHS = ["tickers/c", "orders/c", "trades/c", "accounts/c", "bots/c", "ohlcv/c", "process/c"]
PUSH_PATHS = ["tickers/nowhere/BTC/USDC", "trades/nowhere/BTC/USDC", "balances/987654321", "orders/nowhere"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from([*ACTIONS, *SYNONYMS]) | json_values
PARAMETERS = (
    "exchange", "symbol", "symbols", "order_id", "user_id", "currency", "bot_id", "count", "timeframe", "since_minutes",
    "process_type", "component", "stream_key", "request_id", "key",
)  # fmt: skip
parameters = st.dictionaries(st.sampled_from(PARAMETERS), json_values)
requests = st.fixed_dictionaries(
    {},
    optional={
        "action": names,
        "operation": names,
        "request_id": json_values,
        "params": parameters | json_values,
    },
).map(json.dumps)
frames = st.text(max_size=200) | st.binary(max_size=200) | requests | json_values.map(json.dumps)
thorough = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def answers_still(socket: Socket) -> None:
    marker = {"end": "of the odd frames"}
    await socket.send({"action": "ping", "request_id": marker})
    await socket.until(lambda frame: frame.get("request_id") == marker and frame.get("action") == "ping")


@given(sent=st.lists(frames, min_size=1, max_size=25), path=st.sampled_from(["", *PATHS, *PUSH_PATHS]))
@thorough
async def test_no_frame_closes_a_socket_or_stops_its_answers(
    connect: Connect, sent: list[str | bytes], path: str
) -> None:
    async with connect(f"/ws/{path}".rstrip("/")) as socket:
        for frame in sent:
            await socket.send_raw(frame)
        await answers_still(socket)


@given(sent=st.lists(requests, min_size=1, max_size=10), path=st.sampled_from(["", *PATHS]))
@thorough
async def test_every_request_is_answered_and_none_with_an_internal_error(
    connect: Connect, sent: list[str], path: str
) -> None:
    answers = 0
    async with connect(f"/ws/{path}".rstrip("/")) as socket:
        for request in sent:
            await socket.send_raw(request)
        while answers < len(sent):
            frame = await socket.receive()
            answers += "success" in frame
            assert frame.get("error_code") not in ("INTERNAL_ERROR", "CACHE_ERROR"), (sent, frame)
        await answers_still(socket)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "sent", ["[1]", "null", "5", '"x"', "true", "{", "", "NaN", "\x00", b"\xff\xfe\x00", b"[1]"]
)
async def test_what_is_no_object_is_a_malformed_message(
    connect: Connect, path: str, sent: str | bytes
) -> None:
    async with connect(f"/ws/{path}") as socket:
        await socket.send_raw(sent)
        frame = await socket.receive()
        assert (frame["success"], frame["error_code"], frame["request_id"]) == (
            False,
            "MALFORMED_MESSAGE",
            None,
        )
        await socket.quiet()


@pytest.mark.parametrize("params", [[1], "text", 5, True])
async def test_params_that_are_no_object_are_invalid_params(connect: Connect, params: object) -> None:
    async with connect("/ws/tickers/c") as socket:
        await socket.send({"action": "get_ticker", "request_id": "r", "params": params})
        frame = await socket.receive()
        assert (frame["request_id"], frame["error_code"]) == ("r", "INVALID_PARAMS")
        await socket.quiet()


@pytest.mark.parametrize(
    "frame", [{}, {"action": None}, {"action": 5}, {"action": ["get_ticker"]}, {"params": {}}]
)
async def test_a_missing_action_is_an_invalid_operation(connect: Connect, frame: Frame) -> None:
    async with connect("/ws/tickers/c") as socket:
        await socket.send({**frame, "request_id": {"deep": [1]}})
        answer = await socket.receive()
        assert (answer["request_id"], answer["error_code"]) == ({"deep": [1]}, "INVALID_OPERATION")


async def test_absent_and_null_params_are_none(connect: Connect) -> None:
    async with connect("/ws/bots/c") as socket:
        for frame in ({"action": "get_bots"}, {"action": "get_bots", "params": None}):
            await socket.send(frame)
            assert (await socket.receive())["success"] is True


async def test_a_binary_frame_is_read_as_utf8_json(connect: Connect) -> None:
    exchange = fresh_name("ü")
    async with connect("/ws/orders/c") as socket:
        request = {"action": "get_queue_length", "request_id": "b", "params": {"exchange": exchange}}
        await socket.send_raw(json.dumps(request, ensure_ascii=False).encode())
        assert (await socket.receive())["result"]["exchange"] == exchange


async def test_a_frame_in_fragments_is_one_frame(connect: Connect) -> None:
    async with connect("/ws/orders/c") as socket:
        await socket.connection.send(iter(['{"action": "pi', 'ng", "request', '_id": "f"}']))
        assert (await socket.receive())["request_id"] == "f"


async def test_deep_and_long_frames_within_the_limit_are_answered(connect: Connect) -> None:
    async with connect("/ws/orders/c") as socket:
        for sent in (
            "[" * 60_000,
            '{"a":' * 10_000,
            '"' + "x" * 65_000 + '"',
            '{"action": "' + "x" * 60_000 + '"}',
        ):
            await socket.send_raw(sent)
            assert (await socket.receive())["success"] is False
        await socket.quiet()


async def test_a_frame_beyond_64_kib_is_the_one_thing_that_closes(connect: Connect) -> None:
    async with connect("/ws/orders/c") as socket:
        await socket.send_raw("x" * 65_536)
        assert (await socket.receive())["error_code"] == "MALFORMED_MESSAGE"
        await socket.send_raw("x" * 65_537)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_names_that_look_like_patterns_are_only_names(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, "BTC/USDC")
    async with connect("/ws") as socket:
        for name in ("*", f"{exchange[:-1]}?", f"[{exchange}]", "\\*", "{exchange}", "a:b", "x y", "ü"):
            assert (await socket.result("get_all_tickers", exchange=name))["tickers"] == []
            assert (await socket.result("get_queue_length", exchange=name))["queue_length"] == 0
            await socket.stream("stream_tickers", name, exchange=name)
        collector.tick(exchange, "BTC/USDC", price=2.0)
        await socket.quiet()


async def test_a_name_that_no_group_can_stand_for_is_refused_by_name(connect: Connect) -> None:
    async with connect("/ws") as socket:
        for name in ("ü" * 40, "x" * 129, "a\nb", "\x00"):
            assert (
                await socket.error("stream_tickers", exchange=name, symbols=["BTC/USDC"]) == "INVALID_PARAMS"
            )
        await socket.quiet()
