"""The smaller examples, each run as its own docstring says."""

import json
from pathlib import Path

import psutil
import pytest

from tests.e2e.running_example import EXAMPLES, beside, collector, running, tick, trade
from tests.live import ADMIN_MAIL, BASE, PLAIN_MAIL, LiveServer, live_server

WATCH_TICKERS = EXAMPLES / "watch_tickers.py"
RESUME = EXAMPLES / "resume_after_restart.py"


@pytest.fixture
def token(live_server_process: LiveServer) -> str:
    return live_server_process.manage("token", "--user", PLAIN_MAIL).strip()


def test_every_example_has_tests_of_its_own() -> None:
    assert {script.name for script in EXAMPLES.glob("*.py")} == {
        "example_cache_websocket.py",  # tests/e2e/test_example_cache_websocket.py
        WATCH_TICKERS.name,
        RESUME.name,
    }


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda script: script.name)
def test_each_example_says_how_to_use_it(script: Path) -> None:
    assert f"examples/{script.name}" in script.read_text().split('"""')[1]


def test_watch_tickers_prints_every_tick_of_an_exchange(
    live_server_process: LiveServer, tmp_path: Path, token: str
) -> None:
    environment = beside(live_server_process, TOKEN=token)
    with (
        collector(live_server_process) as write,
        running(tmp_path, environment, "ex_watched", script=WATCH_TICKERS) as it,
    ):
        it.await_shown("stream_key")
        write(tick("ex_watched", 1.25, "BTC/USDC") + tick("ex_watched", 2.5, "GOLD"))
        it.await_shown('"price": 1.25', '"price": 2.5')
        confirmation, *updates = [json.loads(line) for line in it.shown.splitlines()]
        assert confirmation["success"] is True
        assert {update["symbol"] for update in updates} == {"BTC/USDC", "GOLD"}
        assert it.interrupted() == 0
        assert it.log == ""


def test_watch_tickers_without_a_token_says_how_to_get_one(
    live_server_process: LiveServer, tmp_path: Path
) -> None:
    with running(tmp_path, beside(live_server_process), script=WATCH_TICKERS) as it:
        assert it.ended() == 1
        assert it.log.startswith("TOKEN is not set.")
        assert f"manage.py token --user {ADMIN_MAIL}" in it.log


def test_resuming_tells_each_trade_once_over_restarts_of_gateway_and_program(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with live_server(tmp_path_factory.mktemp("restarted")) as server, collector(server) as write:
        token = server.manage("token", "--user", PLAIN_MAIL).strip()
        environment = beside(server, TOKEN=token, GATEWAY_URL=server.url, PYTHONPATH=str(BASE))
        arguments = ("ex_resumed", "BTC/USDC", "places.json")
        with running(tmp_path, environment, *arguments, script=RESUME) as it:
            it.await_that(lambda: "open" in it.log)
            write(trade("ex_resumed", 1))
            it.await_shown("1 2.0")
            for worker in psutil.Process(server.pid).children(recursive=True):
                if "worker" in worker.cmdline():
                    worker.kill()  # its successor knows nothing of it
            write(trade("ex_resumed", 2))
            it.await_shown("2 2.0")
            assert it.log.count("open") > 1
            assert it.interrupted() == 0
            first = it.shown
        write(trade("ex_resumed", 3))
        with running(tmp_path, environment, *arguments, script=RESUME) as again:
            again.await_shown("3 2.0")
            assert again.interrupted() == 0
            told = [line.split()[0] for line in (first + again.shown).splitlines()]
        assert told == ["1", "2", "3"]


def test_resuming_without_what_it_needs_says_how_to_use_it(
    tmp_path: Path, live_server_process: LiveServer
) -> None:
    with running(tmp_path, beside(live_server_process, PYTHONPATH=str(BASE)), script=RESUME) as it:
        assert it.ended() == 1
        assert "Usage: TOKEN=" in it.log
