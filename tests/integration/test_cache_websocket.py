"""The cache's sockets on a live gateway: where they are, who gets in, and who is put out again."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.integration.cache_sockets import (
    INVALID,
    PLAIN,
    base64url,
    closed,
    detail,
    in_shell,
    new_user,
    opened,
    refusal,
    token_of,
)
from tests.integration.wire.collector import Collector, fresh_account, fresh_name
from tests.integration.wire.rpc_client import DEADLINE_S, Socket
from tests.live import LiveServer, live_server

RPC_PATHS = (
    "/ws",
    *(f"/ws/{name}/c1" for name in ("tickers", "orders", "trades", "accounts", "bots", "ohlcv", "process")),
)
PUSH_PATHS = (
    "/ws/tickers/kraken/BTC/USDC",
    "/ws/trades/kraken/BTC/USDC",
    "/ws/orders/kraken",
    "/ws/balances/1",
)
UNKNOWN_PATHS = (
    "/", "/wsx", "/ws/nonexistent", "/ws/nonexistent/x", "/ws/balances", "/ws/orders/a/b", "/ws/balances/1/2",
)  # fmt: skip
REVOKED_WITHIN_S = 1.0


class TestMounting:
    @pytest.mark.parametrize("path", RPC_PATHS)
    async def test_each_endpoint_answers_requests(self, live_server_process: LiveServer, path: str) -> None:
        async with opened(live_server_process, path, token_of(live_server_process)) as socket:
            if path == "/ws":
                await socket.send({"operation": "ping", "request_id": "p"})
                assert (await socket.receive())["result"] == {"status": "ok"}
            else:
                assert await socket.result("ping") == {"status": "ok"}

    @pytest.mark.parametrize("path", PUSH_PATHS)
    async def test_each_push_path_pushes_without_being_asked(
        self, live_server_process: LiveServer, collector: Collector, path: str
    ) -> None:
        exchange, account = fresh_name(), fresh_account()
        collector.tick(exchange, "BTC/USDC")
        collector.trades(
            exchange,
            "BTC/USDC",
            {"trade_id": 1, "symbol": "BTC/USDC", "price": 1.0, "volume": 1.0, "time": 1.0},
        )
        collector.order(exchange, "O1")
        collector.account(account, USDT={"total": 1.0, "free": 1.0, "used": 0.0})
        path = path.replace("kraken", exchange).replace("balances/1", f"balances/{account}")
        async with opened(live_server_process, path, token_of(live_server_process)) as socket:
            frame = await socket.receive()
            assert frame.keys() & {"price", "order_id", "USDT"}

    @pytest.mark.parametrize("path", UNKNOWN_PATHS)
    async def test_an_unknown_path_is_refused_with_404(
        self, live_server_process: LiveServer, path: str
    ) -> None:
        assert detail(await refusal(live_server_process, path, token_of(live_server_process))) == (
            404,
            "Not Found",
        )

    @pytest.mark.parametrize("path", [*RPC_PATHS, *PUSH_PATHS, *UNKNOWN_PATHS])
    async def test_without_a_token_every_path_known_or_not_is_refused_with_401(
        self, live_server_process: LiveServer, path: str
    ) -> None:
        assert detail(await refusal(live_server_process, path)) == (401, "Missing authentication token")

    @pytest.mark.parametrize("path", ["//ws/tickers/c1", "//ws/tickers/kraken/BTC/USDC"])
    async def test_nothing_is_mounted_at_the_root_by_default(
        self, live_server_process: LiveServer, path: str
    ) -> None:
        status, _ = detail(await refusal(live_server_process, path))
        assert status == 401

    @pytest.mark.parametrize("operation", ["get_ticker", "get_bots"])
    async def test_the_base_endpoint_implements_only_its_own_operations_by_default(
        self, live_server_process: LiveServer, operation: str
    ) -> None:
        async with opened(live_server_process, "/ws", token_of(live_server_process)) as socket:
            await socket.send({"operation": operation, "request_id": "r"})
            answer = await socket.receive()
            assert (answer["error_code"], answer["request_id"]) == ("INVALID_OPERATION", "r")
            assert "not implemented" in answer["error"].lower()

    async def test_the_base_endpoint_serves_every_operation_when_told_so(
        self, open_server: LiveServer, open_collector: Collector
    ) -> None:
        exchange = fresh_name()
        open_collector.tick(exchange, "BTC/USDC", price=8.0)
        async with opened(open_server, "/ws", bearer=token_of(open_server)) as socket:
            params = {"exchange": exchange, "symbol": "BTC/USDC"}
            await socket.send({"operation": "get_ticker", "request_id": "r", "params": params})
            assert (await socket.receive())["result"]["price"] == 8.0


class TestAuthentication:
    @pytest.mark.parametrize(
        "token",
        [
            "",
            "garbage",
            "a.b",
            "a.b.c",
            "aa.bb.cc",
            "invalid.jwt.token",
            pytest.param("x" * 5000, id="too long"),
        ],
    )
    async def test_what_is_no_token_is_refused(self, live_server_process: LiveServer, token: str) -> None:
        expected = INVALID if token else "Missing authentication token"
        assert detail(await refusal(live_server_process, "/ws", token)) == (401, expected)

    @pytest.mark.parametrize(
        "claims",
        [
            {"exp": 1_700_000_000},
            {"exp": None},
            {"exp": "tomorrow"},
            {"nbf": 4_000_000_000},
            {"iat": 4_000_000_000},
            {"user_id": None},
            {"user_id": "one"},
            {"user_id": 999_999_999},
            {"token_type": "refresh"},
        ],
        ids=str,
    )
    async def test_a_token_that_proves_nothing_is_refused(
        self, live_server_process: LiveServer, claims: dict[str, Any]
    ) -> None:
        token = token_of(live_server_process, **claims)
        assert detail(await refusal(live_server_process, "/ws/tickers/c1", token)) == (401, INVALID)

    async def test_a_token_signed_with_another_key_is_refused(self, live_server_process: LiveServer) -> None:
        payload = {"sub": "1", "user_id": 1, "exp": int(time.time()) + 3600}
        token = jwt.encode(payload, "the key of another deployment, long enough", algorithm="HS256")
        assert detail(await refusal(live_server_process, "/ws", token)) == (401, INVALID)

    @pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
    async def test_a_token_of_another_algorithm_is_refused(self, live_server_process: LiveServer) -> None:
        token = token_of(live_server_process, algorithm="HS512")
        assert detail(await refusal(live_server_process, "/ws", token)) == (401, INVALID)

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE"])
    async def test_an_unsigned_token_is_refused(
        self, live_server_process: LiveServer, algorithm: str
    ) -> None:
        header = base64url(json.dumps({"alg": algorithm, "typ": "JWT"}))
        payload = base64url(json.dumps({"sub": "1", "user_id": 1, "exp": int(time.time()) + 3600}))
        for signature in ("", "AAAA"):
            token = f"{header}.{payload}.{signature}"
            assert detail(await refusal(live_server_process, "/ws", token)) == (401, INVALID)

    async def test_the_token_of_an_inactive_user_is_refused(self, live_server_process: LiveServer) -> None:
        user_id = await new_user(live_server_process, is_active=False)
        token = token_of(live_server_process, user_id)
        assert detail(await refusal(live_server_process, "/ws", token)) == (401, INVALID)

    @pytest.mark.parametrize(
        "claims",
        [
            {},
            {"sub": "admin@fullon", "scopes": ["read", "write"]},
            {"scopes": None},
            {"sub": None},
            {"user_id": "1"},
            {"iat": 1_700_000_000, "jti": "j", "token_type": "access", "username": "a", "email": None},
            {"exp": 4_102_444_800.5},
        ],
        ids=str,
    )
    async def test_a_token_of_every_format_in_use_is_accepted(
        self, live_server_process: LiveServer, claims: dict[str, Any]
    ) -> None:
        token = token_of(live_server_process, **claims)
        async with opened(live_server_process, "/ws/tickers/c1", token) as socket:
            assert await socket.result("ping") == {"status": "ok"}

    async def test_a_header_carries_the_token(self, live_server_process: LiveServer) -> None:
        async with opened(
            live_server_process, "/ws/tickers/c1", bearer=token_of(live_server_process)
        ) as socket:
            assert await socket.result("ping") == {"status": "ok"}
            assert socket.connection.subprotocol is None

    async def test_a_subprotocol_carries_the_token_and_the_marker_is_the_answer(
        self, live_server_process: LiveServer
    ) -> None:
        protocols = ["jwt-auth", f"jwt.{base64url(token_of(live_server_process))}"]
        async with opened(live_server_process, "/ws/tickers/c1", protocols=protocols) as socket:
            assert await socket.result("ping") == {"status": "ok"}
            assert socket.connection.subprotocol == "jwt-auth"

    async def test_carriers_that_agree_are_accepted(self, live_server_process: LiveServer) -> None:
        token = token_of(live_server_process)
        protocols = ["jwt-auth", f"jwt.{base64url(token)}"]
        async with opened(
            live_server_process, "/ws/bots/c1", token, bearer=token, protocols=protocols
        ) as socket:
            assert await socket.result("ping") == {"status": "ok"}

    async def test_carriers_that_differ_are_refused(self, live_server_process: LiveServer) -> None:
        admin, plain = token_of(live_server_process), token_of(live_server_process, PLAIN)
        response = await refusal(live_server_process, "/ws", admin, bearer=plain)
        assert detail(response) == (401, "Conflicting authentication tokens")

    async def test_a_deployment_may_switch_the_query_carrier_off(self, open_server: LiveServer) -> None:
        token = token_of(open_server)
        assert detail(await refusal(open_server, "/ws", token)) == (401, "Missing authentication token")
        async with opened(open_server, "/ws", bearer=token):
            pass

    async def test_a_token_is_in_no_log_whatever_carried_it(
        self, live_server_process: LiveServer, open_server: LiveServer
    ) -> None:
        for server in (live_server_process, open_server):
            good, bad = token_of(server, sub="log"), token_of(server, 999_999_999, sub="log")
            async with (
                opened(server, "/ws", bearer=good),
                opened(server, "/ws", protocols=[f"jwt.{base64url(good)}"]),
            ):
                pass
            for token in (good + "A", bad):
                await refusal(server, "/ws", token)
                await refusal(server, "/ws", bearer=token)
                async with opened(server, "/ws", protocols=["jwt-auth", f"jwt.{base64url(token)}"]) as socket:
                    await closed(socket)
            log = server.log.read_text()
            assert "Ready on" in log
            for token in (good, bad):
                assert not [part for part in (*token.split(".")[1:], base64url(token)) if part in log]

    async def test_without_the_user_store_a_handshake_is_our_fault_and_open_sockets_stay(
        self, tmp_path: Path
    ) -> None:
        with live_server(tmp_path) as server:
            store = Path(server.database_url.removeprefix("sqlite:///"))
            away = store.with_suffix(".away")
            admin, plain = token_of(server), token_of(server, PLAIN)
            async with opened(server, "/ws/tickers/c1", admin) as socket:
                await asyncio.to_thread(store.rename, away)
                assert detail(await refusal(server, "/ws", plain)) == (503, "Authentication error")
                assert await socket.result("ping") == {"status": "ok"}
                await asyncio.to_thread(away.replace, store)
                async with opened(server, "/ws/tickers/c1", plain) as other:
                    assert await other.result("ping") == {"status": "ok"}


class TestManySockets:
    async def test_one_token_opens_all_endpoints_twice_at_the_same_time(
        self, live_server_process: LiveServer
    ) -> None:
        token = token_of(live_server_process)
        ready = asyncio.Barrier(2 * len(RPC_PATHS))

        async def ask(path: str) -> bool:
            async with opened(live_server_process, path, token) as socket:
                async with asyncio.timeout(DEADLINE_S):
                    await ready.wait()  # all of them are open now
                await socket.send({"operation": "ping", "request_id": path})
                answer = await socket.receive()
                return bool(answer["success"]) and answer["request_id"] == path

        assert all(await asyncio.gather(*(ask(path) for path in RPC_PATHS * 2)))

    async def test_sixteen_sockets_of_one_token_and_one_connection_id_all_hear_a_tick(
        self, live_server_process: LiveServer, collector: Collector
    ) -> None:
        exchange, token = fresh_name(), token_of(live_server_process)
        ready = asyncio.Barrier(17)

        async def hear() -> float:
            async with opened(live_server_process, "/ws/tickers/same", token) as socket:
                await socket.stream("stream_tickers", exchange=exchange)
                async with asyncio.timeout(DEADLINE_S):
                    await ready.wait()
                return float((await socket.update("ticker_update"))["price"])

        async with asyncio.TaskGroup() as tasks:
            heard = [tasks.create_task(hear()) for _ in range(16)]
            async with asyncio.timeout(DEADLINE_S):
                await ready.wait()
            collector.tick(exchange, "BTC/USDC", price=9.5)
        assert [task.result() for task in heard] == [9.5] * 16

    async def test_a_socket_that_goes_leaves_the_streams_of_its_namesake_alone(
        self, live_server_process: LiveServer, collector: Collector
    ) -> None:
        exchange, token = fresh_name(), token_of(live_server_process)
        async with opened(live_server_process, "/ws/tickers/same", token) as stays:
            await stays.stream("stream_tickers", exchange=exchange)
            async with opened(live_server_process, "/ws/tickers/same", token) as goes:
                await goes.stream("stream_tickers", exchange=exchange)
            collector.tick(exchange, "BTC/USDC", price=3.5)
            assert (await stays.update("ticker_update"))["price"] == 3.5


class TestErrors:
    @pytest.mark.parametrize("path", RPC_PATHS)
    async def test_nothing_that_a_client_says_closes_its_socket(
        self, live_server_process: LiveServer, path: str
    ) -> None:
        async with opened(live_server_process, path, token_of(live_server_process)) as socket:
            for frame in ("", "{", "null", "[1]", "5", '{"a": NaN}', b"\xff\xfe", "{}", '{"action": 5}'):
                await socket.send_raw(frame)
                answer = await socket.receive()
                assert answer["error_code"] in {"MALFORMED_MESSAGE", "INVALID_OPERATION"}
                assert answer["success"] is False
            await socket.send({"operation": "ping", "request_id": "still here"})
            assert (await socket.receive())["request_id"] == "still here"

    async def test_a_failed_request_leaves_a_stream_of_the_same_socket_alone(
        self, live_server_process: LiveServer, collector: Collector
    ) -> None:
        exchange = fresh_name()
        async with opened(live_server_process, "/ws/tickers/c1", token_of(live_server_process)) as socket:
            await socket.stream("stream_tickers", exchange=exchange)
            assert await socket.error("get_ticker", exchange=exchange) == "INVALID_PARAMS"
            assert await socket.error("get_ticker", exchange=exchange, symbol="NO/NE") == "TICKER_NOT_FOUND"
            collector.tick(exchange, "BTC/USDC", price=2.5)
            assert (await socket.update("ticker_update"))["price"] == 2.5


class TestMidStream:
    @pytest.mark.parametrize("path", ["/ws/tickers/c1", "/ws/tickers/{exchange}/BTC/USDC"])
    async def test_a_socket_is_closed_when_its_token_expires(
        self, live_server_process: LiveServer, collector: Collector, path: str
    ) -> None:
        exchange, expires_at = fresh_name(), time.time() + 1.5
        collector.tick(exchange, "BTC/USDC")
        token = token_of(live_server_process, exp=expires_at)
        async with opened(live_server_process, path.format(exchange=exchange), token) as socket:
            if path.endswith("c1"):
                await socket.stream("stream_tickers", exchange=exchange)
            await socket.receive()
            assert await closed(socket) == (1008, "Token expired")
            assert -0.05 < time.time() - expires_at < 1.0

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ("user.delete()", "auth_revoked"),
            ("user.is_active = False; user.save()", "auth_revoked"),
            ("user.is_staff = False; user.save()", "forbidden"),
        ],
    )
    async def test_a_user_who_is_deleted_deactivated_or_loses_rights_is_put_out_within_a_second(
        self, live_server_process: LiveServer, change: str, reason: str
    ) -> None:
        user_id = await new_user(live_server_process, is_staff="is_staff" in change)
        token, others = token_of(live_server_process, user_id), token_of(live_server_process)
        async with (
            opened(live_server_process, "/ws/tickers/c1", token) as asking,
            opened(live_server_process, "/ws/tickers/kraken/BTC/USDC", token) as listening,
            opened(live_server_process, "/ws/tickers/c1", others) as other,
        ):
            await asking.stream("stream_tickers", exchange=fresh_name())
            code = f"user = User.objects.get(pk={user_id}); {change}; print(time.time())"
            ends = [asyncio.create_task(self.closed_at(socket, reason)) for socket in (asking, listening)]
            changed_at = float(await in_shell(live_server_process, code))
            for ended_at in await asyncio.gather(*ends):
                assert ended_at - changed_at < REVOKED_WITHIN_S
            assert await other.result("ping") == {"status": "ok"}
        if reason == "auth_revoked":
            assert detail(await refusal(live_server_process, "/ws", token)) == (401, INVALID)

    async def closed_at(self, socket: Socket, reason: str) -> float:
        async with asyncio.timeout(2 * DEADLINE_S):
            await socket.connection.wait_closed()
        ended_at = time.time()
        assert (socket.connection.close_code, socket.connection.close_reason) == (1008, reason)
        return ended_at
