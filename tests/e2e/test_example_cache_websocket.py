"""The published example as a stranger runs it: a process of its own against a live gateway, fed as collectors feed it."""

import ast
import inspect
import os
import re
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import jwt
import psutil
import pytest
import websockets
from django.conf import settings

from accounts.tokens import verify_access_token
from cache_streams.server import launcher
from examples import example_cache_websocket as example
from tests.e2e.running_example import (
    DEADLINE_S,
    SCRIPT,
    OddGateway,
    balances,
    beside,
    closed_port,
    collector,
    order,
    running,
    tick,
    trade,
)
from tests.live import LiveServer, live_server

A_JWT = re.compile(r"eyJ[\w-]{5,}\.")
STREAMS = ("tickers", "trades", "orders", "balances")
GOOD_FRAMES = {
    "tickers": '{"symbol": "GOOD", "time": 1, "price": 2}',
    "trades": '{"symbol": "GOOD", "timestamp": 1, "price": 2, "side": "buy"}',
    "orders": '{"symbol": "GOOD", "order_id": "O1"}',
    "balances": '{"GOOD": {"total": 1.0}, "date": "2026-01-15"}',
}
BAD_FRAMES: dict[str, list[tuple[str | bytes, str]]] = {
    "tickers": [
        ("{", "message: must be JSON"),
        ("[" * 100_000, "message: must be JSON"),
        (b"\xff", "message: must be JSON"),
        ("[1]", "message: must be an object"),
        ('{"time": 1}', "price: must be a finite number, is None"),
        ('{"time": 1, "price": "5"}', "price: must be a finite number, is '5'"),
        ('{"time": 1, "price": NaN}', "price: must be a finite number, is nan"),
        ('{"time": 1, "price": 1%s}' % ("0" * 400), "price: must be a finite number, is 1000"),
        ('{"time": 1, "price": 2, "bid": null}', "bid: must be a finite number, is None"),
        ('{"time": 1e99, "price": 2}', "time: must be Unix seconds, is 1e+99"),
    ],
    "trades": [
        ('{"timestamp": 1, "price": true}', "price: must be a finite number, is True"),
        ('{"timestamp": 1, "price": 1, "side": 3}', "side: must be a text, is 3"),
    ],
    "orders": [('{"symbol": "BTC/USDC"}', "order_id: must be a text, is None")],
    "balances": [('{"BTC": {"total": "many"}}', "total: must be a finite number, is 'many'")],
}
"""Frames that no stream promises, with what the log must say of each."""


class TestExampleExecution:
    def test_every_tick_that_stands_is_shown_while_it_runs(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        with (
            collector(live_server_process) as write,
            running(
                tmp_path, beside(live_server_process), "--exchange", "ex_ticks", "--duration", "60"
            ) as it,
        ):
            write(tick("ex_ticks", 50_000.25))
            it.await_shown("ticker BTC/USDC price=50,000.25 bid=1.50 ask=0.00 volume=0.0000")
            write(tick("ex_ticks", 50_001.5))
            it.await_shown("price=50,001.50")

    def test_each_trade_is_shown_once_and_in_order(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        arguments = ("--stream", "trades", "--exchange", "ex_trades", "--duration", "60")
        with (
            collector(live_server_process) as write,
            running(tmp_path, beside(live_server_process), *arguments) as it,
        ):
            for number in range(1, 31):
                write(trade("ex_trades", number))
                if number == 10:
                    it.await_connected()
            it.await_shown("volume=30.000000")
            lines = re.findall(r"trade BTC/USDC BUY price=2.00 volume=(\d+)\.000000", it.shown)
            assert [int(line) for line in lines] == list(range(1, 31))

    def test_orders_of_an_exchange_are_shown_and_so_are_their_changes(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        arguments = ("--stream", "orders", "--exchange", "ex_orders", "--duration", "60")
        with (
            collector(live_server_process) as write,
            running(tmp_path, beside(live_server_process), *arguments) as it,
        ):
            write(order("ex_orders", "O1", "open"))
            it.await_shown("order O1 BTC/USDC sell volume=0.500000 status=open")
            write(order("ex_orders", "O1", "filled"))
            it.await_shown("status=filled")

    def test_balances_of_an_account_are_shown_and_so_are_their_changes(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        arguments = ("--stream", "balances", "--exchange-id", "4101", "--duration", "60")
        with (
            collector(live_server_process) as write,
            running(tmp_path, beside(live_server_process), *arguments) as it,
        ):
            write(balances(4101, 75.0))
            it.await_shown("balance USDT total=100.00000000 free=75.00000000 used=25.00000000")
            write(balances(4101, 50.0))
            it.await_shown("free=50.00000000")

    def test_it_ends_by_itself_when_its_time_is_over(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        with running(
            tmp_path, beside(live_server_process), "--exchange", "ex_time", "--duration", "0.5"
        ) as it:
            assert it.ended() == 0
            assert "messages=0" in it.log
            assert "no message came" in it.log

    def test_ctrl_c_ends_it_without_a_traceback(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        with running(
            tmp_path, beside(live_server_process), "--exchange", "ex_ctrl_c", "--duration", "60"
        ) as it:
            it.await_connected()
            assert it.interrupted() == 0
            assert "Traceback" not in it.log

    def test_without_a_gateway_it_says_so_in_one_sentence(self, tmp_path: Path) -> None:
        url = f"ws://127.0.0.1:{closed_port()}/api/v1/cache"
        with running(tmp_path, {**os.environ, "WS_BASE_URL": url}) as it:
            assert it.ended() == 1
            assert re.fullmatch(
                r"No gateway answers at http://\S+/health \(.*\): start one with `make run`\.\n", it.log
            )
            assert it.shown == ""

    def test_it_connects_again_when_a_worker_dies(self, tmp_path: Path) -> None:
        with live_server(tmp_path) as server, collector(server) as write:
            write(tick("ex_again", 1.0))
            with running(tmp_path, beside(server), "--exchange", "ex_again", "--duration", "60") as it:
                it.await_shown("price=1.00")
                children = psutil.Process(server.pid).children(recursive=True)
                next(child for child in children if "worker" in child.cmdline()).kill()
                it.await_that(lambda: "connecting again" in it.log)
                write(tick("ex_again", 2.0))
                it.await_shown("price=2.00")
                assert it.interrupted() == 0

    @pytest.mark.parametrize("stream", STREAMS)
    def test_a_bad_message_is_named_by_field_and_rule_and_the_stream_goes_on(
        self, tmp_path: Path, stream: str
    ) -> None:
        frames, good = [frame for frame, _ in BAD_FRAMES[stream]], GOOD_FRAMES[stream]
        with OddGateway(*frames, good) as gateway:
            environment = {**os.environ, "WS_BASE_URL": gateway.url}
            with running(tmp_path, environment, "--stream", stream, "--duration", "60") as it:
                it.await_shown("GOOD")
                assert it.interrupted() == 0
        skipped = [line for line in it.log.splitlines() if "bad message skipped" in line]
        assert len(skipped) == len(frames)
        for line, (_, problem) in zip(skipped, BAD_FRAMES[stream], strict=True):
            assert problem in line

    @pytest.mark.parametrize(
        "arguments",
        [("--stream", "candles"), ("--duration", "0"), ("--duration", "nan"), ("--exchange-id", "one")],
    )
    def test_a_wrong_argument_is_named_and_ends_with_code_2(
        self, tmp_path: Path, arguments: Sequence[str]
    ) -> None:
        with running(tmp_path, dict(os.environ), *arguments) as it:
            assert it.ended() == 2
            assert f"argument {arguments[0]}" in it.log


class TestExampleAuthentication:
    def test_its_token_is_one_of_user_1_that_the_server_believes(self) -> None:
        claims = verify_access_token(example.generate_demo_token())
        assert claims.user_id == 1
        assert claims.email == settings.ADMIN_MAIL

    def test_its_token_carries_what_tokens_of_the_replaced_system_carry(self) -> None:
        parts = example.generate_demo_token().split(".")
        assert len(parts) == 3
        payload = jwt.decode(".".join(parts), settings.JWT_SECRET_KEY, algorithms=["HS256"])
        assert payload.keys() >= {"sub", "user_id", "email", "scopes", "exp"}
        assert jwt.get_unverified_header(".".join(parts)) == {"alg": "HS256", "typ": "JWT"}

    def test_its_secret_is_the_one_in_the_file_that_the_server_reads(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        dotenv = tmp_path / "settings"
        dotenv.write_text(f"JWT_SECRET_KEY={live_server_process.jwt_secret}\n")
        environment = beside(live_server_process, ENV_FILE=str(dotenv))
        del environment["JWT_SECRET_KEY"]
        with running(tmp_path, environment, "--exchange", "ex_dotenv", "--duration", "60") as it:
            it.await_connected()
            assert it.interrupted() == 0

    def test_without_a_secret_it_says_where_it_looked(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        environment = beside(live_server_process, ENV_FILE=str(tmp_path / "none"), JWT_SECRET_KEY="")
        with running(tmp_path, environment) as it:
            assert it.ended() == 1
            assert f"JWT_SECRET_KEY is not in the environment nor in {tmp_path / 'none'}" in it.log
            assert "Traceback" not in it.log

    def test_a_refused_token_ends_it_with_the_reason_and_never_shows_the_token(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        environment = beside(live_server_process, JWT_SECRET_KEY="of another deployment, 32 bytes or more")
        with running(tmp_path, environment, "--duration", "60") as it:
            assert it.ended() == 1
            assert re.search(
                r"The gateway refuses /ws/tickers/kraken/BTC/USDC: .*401.*Invalid authentication", it.log
            )
            assert not A_JWT.search(it.log + it.shown)

    async def test_the_gateway_refuses_whoever_has_no_token(self, live_server_process: LiveServer) -> None:
        url = f"{live_server_process.ws_url}/api/v1/cache/ws/tickers/demo/exchange"
        with pytest.raises(websockets.WebSocketException, match="401"):
            await websockets.connect(url, open_timeout=DEADLINE_S)

    async def test_the_gateway_accepts_its_token(self, live_server_process: LiveServer) -> None:
        url = f"{live_server_process.ws_url}/api/v1/cache/ws/tickers/demo/exchange"
        token = example.generate_demo_token()
        async with websockets.connect(f"{url}?token={token}", open_timeout=DEADLINE_S) as socket:
            await socket.ping()

    def test_the_demonstration_shows_two_refusals_and_then_streams(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        with running(tmp_path, beside(live_server_process), "--auth-demo", "--duration", "60") as it:
            it.await_connected()
            for case in ("without a token", "with a bad token"):
                assert re.search(rf"as expected: {case}: .*(401|Unauthorized)", it.shown)

    def test_the_demonstration_fails_where_everybody_is_let_in(self, tmp_path: Path) -> None:
        with (
            OddGateway() as gateway,
            running(tmp_path, {**os.environ, "WS_BASE_URL": gateway.url}, "--auth-demo") as it,
        ):
            assert it.ended() == 1
            assert it.shown.count("WRONG") == 2


class TestExampleURLStructure:
    def test_the_address_without_settings_is_the_published_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("WS_BASE_URL", "HOST", "PORT"):
            monkeypatch.delenv(name, raising=False)
        assert 'WS_BASE_URL = "ws://localhost:8000/api/v1/cache"' in SCRIPT.read_text()
        published = "ws://localhost:8000/api/v1/cache"
        assert example.configured_base_url(published) == published

    @pytest.mark.parametrize(
        ("settings_", "url"),
        [
            ({"WS_BASE_URL": "wss://gate.example/cache/"}, "wss://gate.example/cache"),
            ({"WS_BASE_URL": "ws://a/b", "HOST": "10.0.0.1", "PORT": "9"}, "ws://a/b"),
            ({"HOST": "0.0.0.0", "PORT": "9001"}, "ws://localhost:9001/api/v1/cache"),
            ({"HOST": "::1"}, "ws://[::1]:8000/api/v1/cache"),
            ({"HOST": "None", "PORT": "9002"}, "ws://localhost:9002/api/v1/cache"),
        ],
    )
    @pytest.mark.parametrize("where", ["environment", "file"])
    def test_settings_move_it(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        settings_: dict[str, str],
        url: str,
        where: str,
    ) -> None:
        dotenv = tmp_path / "settings"
        dotenv.write_text("".join(f"{name}={value}\n" for name, value in settings_.items()))
        for name in ("WS_BASE_URL", "HOST", "PORT"):
            monkeypatch.delenv(name, raising=False)
        if where == "file":
            monkeypatch.setattr(example, "ENV_FILE", dotenv)
        else:
            for name, value in settings_.items():
                monkeypatch.setenv(name, value)
        assert example.configured_base_url("ws://unused") == url

    @pytest.mark.parametrize("url", ["http://localhost:8000/api/v1/cache", "localhost:8000", "ws:///cache"])
    def test_an_address_that_is_none_of_a_socket_is_named_and_ends_it(self, tmp_path: Path, url: str) -> None:
        with running(tmp_path, {**os.environ, "WS_BASE_URL": url}) as it:
            assert it.ended() == 1
            assert it.log == f"WS_BASE_URL={url!r} must be ws://host[:port]/path or wss://host[:port]/path.\n"

    @pytest.mark.parametrize(
        ("arguments", "path"),
        [
            (
                "--stream tickers --exchange kraken --symbol BTC/USDC:USDC",
                "/ws/tickers/kraken/BTC/USDC%3AUSDC",
            ),
            ("--stream trades --exchange kraken --symbol GOLD", "/ws/trades/kraken/GOLD"),
            ("--stream orders --exchange kraken", "/ws/orders/kraken"),
            ("--stream balances --exchange-id 7", "/ws/balances/7"),
        ],
    )
    def test_each_stream_has_its_path_and_carries_the_token_in_the_query(
        self, tmp_path: Path, arguments: str, path: str
    ) -> None:
        with OddGateway() as gateway:
            environment = {**os.environ, "WS_BASE_URL": gateway.url}
            with running(tmp_path, environment, *arguments.split(), "--duration", "60") as it:
                it.await_connected()
            assert gateway.paths[0] == "/health"
            requested, _, token = gateway.paths[1].partition("?token=")
            assert requested == f"/api/v1/cache{path}"
            assert verify_access_token(token).user_id == 1


class TestExampleLogging:
    LINE = re.compile(r'timestamp=\S+Z level=(info|warning) event=("[^"]+"|\S+)( \w+=("[^"]*"|\S*))*')

    def test_each_line_of_the_log_is_a_list_of_keys_and_values(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        with running(tmp_path, beside(live_server_process), "--auth-demo", "--duration", "0.5") as it:
            assert it.ended() == 0
            assert all(self.LINE.fullmatch(line) for line in it.log.splitlines()), it.log

    def test_the_log_tells_the_way_of_a_stream_from_the_health_check_to_its_end(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        with running(
            tmp_path, beside(live_server_process), "--exchange", "ex_log", "--duration", "0.5"
        ) as it:
            assert it.ended() == 0
            steps = ["gateway found", "demo token generated", "event=connected", "stream ended"]
            places = [it.log.index(step) for step in steps]
            assert places == sorted(places)

    def test_messages_and_log_do_not_mix(self, live_server_process: LiveServer, tmp_path: Path) -> None:
        arguments = ("--exchange", "ex_apart", "--duration", "60")
        with (
            collector(live_server_process) as write,
            running(tmp_path, beside(live_server_process), *arguments) as it,
        ):
            write(tick("ex_apart", 3.0))
            it.await_shown("price=3.00")
            assert "event=" not in it.shown
            assert "price=3.00" not in it.log

    def test_no_token_is_ever_written(self, live_server_process: LiveServer, tmp_path: Path) -> None:
        with running(tmp_path, beside(live_server_process), "--auth-demo", "--duration", "0.5") as it:
            assert it.ended() == 0
            assert not A_JWT.search(it.log + it.shown)
            assert "token=" not in it.log + it.shown
            assert live_server_process.jwt_secret not in it.log + it.shown


class TestExampleDocumentation:
    USAGES = re.findall(
        r"^    python examples/example_cache_websocket\.py(.*)$", example.__doc__ or "", re.MULTILINE
    )

    def test_the_docstring_names_every_stream_and_its_url(self) -> None:
        text = example.__doc__ or ""
        assert all(f"/ws/{stream}/" in text for stream in STREAMS)
        assert text.count("?token={jwt}") == len(STREAMS)
        assert all(word in text for word in ("WebSocket", "JWT", "JWT_SECRET_KEY", "WS_BASE_URL", "make run"))

    @pytest.mark.parametrize("usage", USAGES)
    def test_each_line_of_usage_runs_as_it_stands(
        self, live_server_process: LiveServer, tmp_path: Path, usage: str
    ) -> None:
        arguments = shlex.split(usage.partition("  (")[0])
        with running(tmp_path, beside(live_server_process), *arguments, "--duration", "0.5") as it:
            assert it.ended() == 0, it.log

    def test_there_is_a_usage_for_each_stream_and_for_the_demonstration(self) -> None:
        assert len(self.USAGES) >= 5
        assert all(f"--stream {stream}" in str(self.USAGES) for stream in STREAMS[1:])
        assert "--auth-demo" in str(self.USAGES)

    def test_it_needs_nothing_but_public_libraries(self) -> None:
        imported = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(SCRIPT.read_text()))
            for name in (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        assert "websockets" in imported
        assert not imported & {"redis", "django", "channels", "cache_streams", "accounts", "fullon_master"}


class TestExampleComplete:
    def test_it_has_the_published_functions_with_their_parameters(self) -> None:
        published = {
            example.stream_tickers: ["exchange", "symbol", "duration"],
            example.stream_trades: ["exchange", "symbol", "duration"],
            example.stream_orders: ["exchange", "duration"],
            example.stream_balances: ["exchange_id", "duration"],
            example.demonstrate_auth_failure: ["exchange", "symbol"],
            example.main: ["stream_type", "exchange", "symbol", "exchange_id", "duration", "show_auth_demo"],
        }
        for function, parameters in published.items():
            assert inspect.iscoroutinefunction(function)
            assert list(inspect.signature(function).parameters) == parameters

    def test_four_streams_at_once_show_what_is_written_meanwhile(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        arguments = ["--exchange", "ex_all", "--exchange-id", "4102", "--duration", "60"]
        with collector(live_server_process) as write, ExitStack() as stack:
            started = {}
            for stream in STREAMS:
                (tmp_path / stream).mkdir()
                context = running(
                    tmp_path / stream, beside(live_server_process), "--stream", stream, *arguments
                )
                started[stream] = stack.enter_context(context)
            for each in started.values():
                each.await_connected()
            write(
                tick("ex_all", 4.0) + trade("ex_all", 5) + order("ex_all", "O6", "open") + balances(4102, 7.0)
            )
            started["tickers"].await_shown("price=4.00")
            started["trades"].await_shown("volume=5.000000")
            started["orders"].await_shown("order O6")
            started["balances"].await_shown("free=7.00000000")
            assert [each.interrupted() for each in started.values()] == [0, 0, 0, 0]

    def test_the_command_that_make_run_prints_shows_ticks(
        self, live_server_process: LiveServer, tmp_path: Path
    ) -> None:
        script, *arguments = shlex.split(launcher._EXAMPLE)
        assert script == "examples/example_cache_websocket.py"
        with collector(live_server_process) as write:
            write(tick("kraken", 8.0))
            with running(tmp_path, beside(live_server_process), *arguments) as it:
                it.await_shown("ticker BTC/USDC price=8.00")
