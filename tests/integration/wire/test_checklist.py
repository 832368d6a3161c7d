"""The twelve rows of the wire protocol's conformance checklist, one test each; the other modules here go into detail."""

import os
import signal

import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidStatus

from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position, trade
from tests.integration.wire.rpc_client import CACHE, DEADLINE_S, Connect, Frame, Number, assert_shape
from tests.live import LiveServer

MARKET = "BTC/USDC"
RPC = ["", "/tickers/c", "/orders/c", "/trades/c", "/accounts/c", "/bots/c", "/ohlcv/c", "/process/c"]
PUSH = ["/tickers/kraken/BTC/USDC", "/trades/kraken/BTC/USDC", "/orders/kraken", "/balances/1"]


async def test_01_twelve_paths_open_and_unknown_ones_are_refused_at_the_handshake(connect: Connect) -> None:
    for path in RPC + PUSH:
        async with connect("/ws" + path):
            pass
    with pytest.raises(InvalidStatus) as refused:
        async with connect("/ws/nonexistent/x"):
            pass
    assert refused.value.response.status_code == 404


async def test_02_no_token_and_a_bad_token_are_401_on_every_path(live_server_process: LiveServer) -> None:
    for path in RPC + PUSH:
        for query in ("", "?token=garbage"):
            with pytest.raises(InvalidStatus) as refused:
                await open_socket(
                    f"{live_server_process.ws_url}{CACHE}/ws{path}{query}", open_timeout=DEADLINE_S
                )
            assert refused.value.response.status_code == 401


async def test_03_the_base_endpoint_has_two_operations_and_four_errors(connect: Connect) -> None:
    async with connect("/ws") as socket:

        async def asked(frame: str) -> Frame:
            await socket.send_raw(frame)
            return await socket.receive()

        assert_shape(await asked('{"operation": "ping"}'), latency_ms=Number, timestamp=Number, result=dict)
        assert (await asked('{"operation": "health_check"}'))["result"].keys() == {"websocket", "cache"}
        malformed = await asked("{")
        unknown = await asked('{"operation": "nonsense", "request_id": "u"}')
        unimplemented = await asked('{"operation": "get_ticker", "request_id": "n"}')
        mistyped = await asked('{"operation": "ping", "request_id": "m", "params": null}')
    assert (malformed["error_code"], malformed["request_id"]) == ("MALFORMED_MESSAGE", None)
    assert "Malformed JSON" in malformed["error"]
    assert "Invalid FastAPI WebSocket operation" in unknown["error"]
    assert "not implemented" in unimplemented["error"].lower()
    assert [f["request_id"] for f in (unknown, unimplemented, mistyped)] == ["u", "n", "m"]
    assert {f["error_code"] for f in (unknown, unimplemented, mistyped)} == {"INVALID_OPERATION"}


async def test_04_what_is_not_stored_has_its_own_code_per_action(connect: Connect) -> None:
    absent = fresh_name()
    codes = {
        "get_ticker": "TICKER_NOT_FOUND", "get_order_status": "ORDER_NOT_FOUND", "get_balance": "BALANCE_NOT_FOUND",
        "get_bot_status": "BOT_NOT_FOUND", "get_latest_ohlcv_bars": "OHLCV_NOT_FOUND",
    }  # fmt: skip
    params = {
        "exchange": absent, "symbol": absent, "order_id": absent, "user_id": fresh_account(), "currency": "USDT",
        "bot_id": absent, "timeframe": "1m",
    }  # fmt: skip
    async with connect("/ws") as socket:
        for action, code in codes.items():
            assert await socket.error(action, **params) == code


async def test_05_request_ids_come_back_verbatim_and_name_the_stream(connect: Connect) -> None:
    async with connect("/ws/orders/c1") as socket:
        for request_id in ("s1", {"a": [1, None]}, 7, True):
            assert (await socket.ask("get_order_status", request_id))["request_id"] == request_id
        assert await socket.stream("stream_order_queue", exchange=fresh_name()) == "c1:s1"
        assert (await socket.update("queue_update"))["stream_key"] == "c1:s1"


async def test_06_a_confirmation_then_the_present_state_at_once(
    connect: Connect, collector: Collector
) -> None:
    name, account = fresh_name(), fresh_account()
    collector.tick(name, MARKET)
    collector.trades(name, MARKET, trade(1))
    collector.positions(account, **{MARKET: position(1.0)})
    collector.bars(name, "1m", [1700000000, 1, 2, 0.5, 1, 5])
    streams: list[tuple[str, str, Frame]] = [
        ("stream_tickers", "ticker_update", {"exchange": name}),
        ("stream_trade_updates", "trade_update", {"exchange": name, "symbol": MARKET}),
        ("stream_order_queue", "queue_update", {"exchange": name}),
        ("stream_positions", "position_update", {"exchange": account}),
        ("stream_bot_status", "bot_update", {"bot_id": name}),
        ("stream_ohlcv", "ohlcv_update", {"symbol": name, "timeframe": "1m"}),
        ("stream_process_health", "process_health_update", {}),
    ]
    for action, update, params in streams:
        async with connect("/ws") as socket:
            await socket.stream(action, **params)
            await socket.update(update)


async def test_07_trades_that_were_read_are_still_there(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.trades(exchange, MARKET, trade(1), trade(2))
    async with connect("/ws/trades/c") as socket:
        first = await socket.result("get_trades", exchange=exchange, symbol=MARKET)
        assert len(first["trades"]) == 2
        assert await socket.result("get_trades", exchange=exchange, symbol=MARKET) == first


async def test_08_null_numbers_never_produce_errors(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, volume=None, bid=None, ask=None, last=None, time=None, price=None)
    collector.order(exchange, "O1", price=None, volume=None, final_volume=None)
    async with connect("/ws") as socket:
        ticker = await socket.result("get_ticker", exchange=exchange, symbol=MARKET)
        order = await socket.result("get_order_status", exchange=exchange, order_id="O1")
    assert_shape(ticker, price=Number, volume=Number, bid=Number, ask=Number, timestamp=Number)
    assert_shape(order, price=Number, amount=Number, filled=Number, remaining=Number)


async def test_09_a_shared_connection_id_shares_nothing_else(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    async with connect("/ws/tickers/same") as survivor:
        await survivor.stream("stream_tickers", exchange=exchange)
        async with connect("/ws/tickers/same") as other:
            await other.stream("stream_tickers", exchange=exchange)
        collector.tick(exchange, MARKET)
        await survivor.update("ticker_update")


async def test_10_nothing_a_client_sends_closes_its_connection(connect: Connect) -> None:
    for path in RPC:
        async with connect("/ws" + path) as socket:
            for frame in (
                "[1]",
                "null",
                "5",
                "{",
                '{"action": "get_ticker", "params": []}',
                b"\xff",
                '{"request_id": 5}',
            ):
                await socket.send_raw(frame)
                assert (await socket.receive())["error_code"] in (
                    "MALFORMED_MESSAGE", "INVALID_PARAMS", "INVALID_OPERATION"
                )  # fmt: skip
            await socket.quiet()


async def test_11_pushed_numbers_are_numbers_and_nobody_is_welcomed(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect(f"/ws/tickers/{exchange}/{MARKET}") as socket:
        await socket.quiet()
        collector.tick(exchange, MARKET, bid=None, volume="12.5")
        frame = await socket.receive()
    assert None not in frame.values()
    assert (frame["volume"], frame["price"]) == (12.5, 50000.0)


async def test_12_without_redis_queries_fail_sockets_stay_and_streams_resume(
    own_connect: Connect, own_server: LiveServer, own_collector: Collector
) -> None:
    exchange = fresh_name()
    async with own_connect("/ws") as socket:
        await socket.stream("stream_tickers", exchange=exchange)
        os.kill(own_server.redis_pid, signal.SIGSTOP)
        try:
            frame = await socket.answer_to("is_blocked", exchange=exchange, symbol=MARKET)
        finally:
            os.kill(own_server.redis_pid, signal.SIGCONT)
        assert frame["error_code"] == "CACHE_ERROR"
        own_collector.tick(exchange, MARKET, price=2.0)
        await socket.until_told(price=2.0)
