"""Which paths open, for whom, and how the others are refused: at the handshake, with a status and a JSON reason."""

import json
import time

import jwt
import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidStatus

from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position, trade
from tests.integration.wire.rpc_client import CACHE, DEADLINE_S, Connect, Frame, token_of
from tests.live import LiveServer

RPC = ["", "/tickers/c", "/orders/c", "/trades/c", "/accounts/c", "/bots/c", "/ohlcv/c", "/process/c"]
PUSH = ["/tickers/kraken/BTC/USDC", "/trades/kraken/BTC/USDC", "/orders/kraken", "/balances/1"]
UNKNOWN = ["/nonexistent/x", "/tickers2/c", "/accounts/c/d", "/balances", "/balances/1/2", "/process/c/d"]


async def refusal(server: LiveServer, path: str, query: str) -> tuple[int, Frame, str | None]:
    with pytest.raises(InvalidStatus) as refused:
        await open_socket(f"{server.ws_url}{CACHE}/ws{path}{query}", open_timeout=DEADLINE_S)
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"{}"), response.headers.get("WWW-Authenticate")


@pytest.mark.parametrize("path", RPC + PUSH)
async def test_a_socket_opens_with_a_token_and_answers(connect: Connect, path: str) -> None:
    async with connect("/ws" + path) as socket:
        await socket.answer_to("ping")


@pytest.mark.parametrize("path", RPC + PUSH + UNKNOWN)
async def test_without_a_token_every_path_is_refused_with_401(
    live_server_process: LiveServer, path: str
) -> None:
    status, body, scheme = await refusal(live_server_process, path, "")
    assert (status, body["detail"], scheme) == (401, "Missing authentication token", "Bearer")


@pytest.mark.parametrize("path", ["", "/tickers/c", "/tickers/kraken/BTC/USDC", "/balances/1"])
async def test_a_bad_token_is_refused_with_401(live_server_process: LiveServer, path: str) -> None:
    server = live_server_process
    now = int(time.time())
    claims = {"sub": "1", "user_id": 1, "exp": now + 60}
    bad = [
        "garbage",
        jwt.encode(claims, "not the secret of this server, at all", algorithm="HS256"),
        jwt.encode({**claims, "exp": now - 1}, server.jwt_secret, algorithm="HS256"),
        jwt.encode({**claims, "user_id": 987654}, server.jwt_secret, algorithm="HS256"),
        jwt.encode({**claims, "user_id": "me"}, server.jwt_secret, algorithm="HS256"),
        jwt.encode({"sub": "1", "exp": now + 60}, server.jwt_secret, algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
    ]
    for token in bad:
        status, body, scheme = await refusal(server, path, f"?token={token}")
        assert (status, body["detail"], scheme) == (401, "Invalid authentication token", "Bearer")


@pytest.mark.parametrize("path", UNKNOWN)
async def test_an_unknown_path_is_refused_with_404(live_server_process: LiveServer, path: str) -> None:
    status, body, _ = await refusal(live_server_process, path, f"?token={token_of(live_server_process)}")
    assert (status, body["detail"]) == (404, "Not Found")


@pytest.mark.parametrize("path", ["/tickers", "/tickers/", "/orders", "/process/", "/tickers/c/"])
async def test_a_missing_connection_id_is_made_up(connect: Connect, path: str) -> None:
    async with connect("/ws" + path) as socket:
        await socket.quiet()


async def test_a_user_who_owns_nothing_sees_markets_and_nothing_private(
    connect: Connect, collector: Collector
) -> None:
    exchange, account, bot = fresh_name(), fresh_account(), fresh_name("bot")
    collector.tick(exchange, "BTC/USDC")
    collector.trades(exchange, "BTC/USDC", trade(1, uid=5, ex_id=6, fee=1.0))
    collector.order(exchange, "O1", ex_id=account)
    collector.account(account, USDT={"total": 1.0})
    collector.positions(account, **{"BTC/USDC": position(1.0)})
    collector.bot(bot, feed={"status": "running"})
    collector.process("bot", bot)
    async with connect("/ws", user_id=2) as socket:
        assert (await socket.result("get_ticker", exchange=exchange, symbol="BTC/USDC"))["price"] == 50000.0
        (shown,) = (await socket.result("get_trades", exchange=exchange, symbol="BTC/USDC"))["trades"]
        assert not {"uid", "ex_id", "ex_order_id", "fee", "cost"} & shown.keys()
        assert await socket.error("get_order_status", exchange=exchange, order_id="O1") == "ORDER_NOT_FOUND"
        assert (await socket.result("get_queue_length", exchange=exchange))["queue_length"] == 0
        assert await socket.error("get_balance", user_id=account, currency="USDT") == "BALANCE_NOT_FOUND"
        assert (await socket.result("get_positions", exchange=account))["positions"] == []
        assert (await socket.result("get_positions", user_id=account))["positions"] == []
        assert (await socket.result("get_bots"))["bots"] == {}
        assert await socket.error("get_bot_status", bot_id=bot) == "BOT_NOT_FOUND"
        assert (await socket.result("get_active_processes"))["processes"] == []
        await socket.stream("stream_order_queue", exchange=exchange)
        assert (await socket.update("queue_update"))["queue_length"] == 0
        await socket.stream("stream_bot_status")
        assert (await socket.update("bot_update"))["bots"] == {}
