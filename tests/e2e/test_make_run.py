"""What ``make run`` runs: everything comes up, says how to use it, and goes away as a whole."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.live import BASE

DEADLINE_S = 40.0
MINIMAL = ("PATH", "HOME", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
LAST_LINE = "Ctrl-C ends everything."


class Up:
    """One running ``manage.py up``, as a fresh clone has it: no setting but its secrets, its port and its database."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.output = directory / "output"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.environment = {
            **{name: os.environ[name] for name in MINIMAL if name in os.environ},
            "ENV_FILE": str(directory / ".env"),
            "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
            "PORT": str(self.port),
            **settings,
        }
        subprocess.run(
            [sys.executable, "-m", "fullon_master.env"],
            env=self.environment,
            cwd=BASE,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                env=self.environment,
                cwd=BASE,
                stdout=output,
                stderr=output,
            )

    def text(self) -> str:
        return self.output.read_text()

    def await_use(self) -> list[psutil.Process]:
        """Return every process below this one, once it has said how to use it."""
        assert eventually(lambda: LAST_LINE in self.text() or self.process.poll() is not None)
        assert LAST_LINE in self.text(), self.text()
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def up(directory: Path, **settings: str) -> Iterator[Up]:
    running = Up(directory, **settings)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGTERM)


def test_it_says_the_url_the_login_and_one_command_to_paste(tmp_path: Path) -> None:
    with up(tmp_path, ADMIN_MAIL="me@here") as running:
        running.await_use()
        text = running.text()
        assert f"http://localhost:{running.port}/" in text
        assert re.search(r"Administrator me@here: password \S{8,} \(shown this once\)", text)
        assert re.search(
            r"example_cache_websocket\.py --stream tickers --exchange kraken --symbol BTC/USDC", text
        )
        assert httpx.get(f"http://localhost:{running.port}/health").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_process_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path) as running:
        family = running.await_use()
        names = " ".join(" ".join(process.cmdline()) for process in family)
        parts = ("redis-server", "demo_feed --agent-of admin@fullon", "serve", "worker", "relay")
        assert all(part in names for part in parts)
        assert running.end(number) == 0
        assert not any(alive(process) for process in family)


def test_every_process_dies_with_it_when_it_is_killed(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        family = running.await_use()
        running.end(signal.SIGKILL)
        assert eventually(lambda: not any(alive(process) for process in family))


def test_a_part_that_ends_by_itself_ends_the_whole_with_a_sentence(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        family = running.await_use()
        next(process for process in family if "redis-server" in process.name()).kill()
        assert running.process.wait(DEADLINE_S) == 1
        assert "The private Redis has ended" in running.text()
        assert not any(alive(process) for process in family)


def test_with_a_configured_redis_the_demo_feed_is_off_and_says_so(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tcp=True) as theirs, up(tmp_path, REDIS_URL=theirs.url) as running:
        family = running.await_use()
        assert "The demo feed is off" in running.text()
        assert not any("demo_feed" in process.cmdline() for process in family)
        with redis.Redis.from_url(theirs.url) as client:
            assert [key for key in client.scan_iter() if not key.startswith(b"gw:")] == []


def test_a_configured_redis_that_is_away_is_named_and_the_gateway_comes_up(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tcp=True) as gone:
        gone.stop()
    with up(tmp_path, REDIS_URL=gone.url) as running:
        running.await_use()
        assert "it does not answer yet (ConnectionError)" in running.text()
        assert httpx.get(f"http://localhost:{running.port}/health").status_code == 200


def test_a_second_start_keeps_the_administrator_and_shows_no_password(tmp_path: Path) -> None:
    with up(tmp_path) as first:
        first.await_use()
    with up(tmp_path) as second:
        second.await_use()
        assert "sets a new password" in second.text()
        assert "shown this once" not in second.text()


def test_a_taken_port_is_one_sentence_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with up(tmp_path, PORT=str(port)) as running:
            assert running.process.wait(DEADLINE_S) == 2
            assert f"Port {port} on 127.0.0.1 is taken" in running.text()
            assert "Redis" not in running.text()
