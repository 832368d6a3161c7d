"""The stand on which faults are tried: a gateway of two workers, a standby relay, and a Redis behind a fault proxy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from redis import Redis

from cache_streams.server.children import dying_with_parent
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.faults.proxy import FaultProxy
from tests.live import BASE, LiveServer, live_server

DEADLINE_S = 60.0
DRAIN_S = 2
METRICS_TOKEN = "metrics-for-the-tests"
LEASE = "gw:{relay}:lease"


class Stand:
    """What is tried, and the faults that can befall it; ``redis_url`` leads to Redis past the proxy."""

    def __init__(self, directory: Path) -> None:
        self._data = directory / "redis"
        self.redis = EmbeddedRedis.start(tcp=True, directory=self._data, persistent=True)
        self.redis_url = self.redis.url
        self._port = int(self.redis_url.rpartition(":")[2].partition("/")[0])
        self._older = directory / "older"
        self.proxy = FaultProxy(self._port)
        self.server: LiveServer
        self._standby: subprocess.Popen[bytes] | None = None

    # -- Redis --------------------------------------------------------------------------------------------------------

    def pause_redis(self) -> None:
        os.kill(self.redis.pid, signal.SIGSTOP)

    def wake_redis(self) -> None:
        os.kill(self.redis.pid, signal.SIGCONT)

    def kill_redis(self) -> None:
        self.redis.stop(kill=True)

    def start_redis(self) -> None:
        self.redis = EmbeddedRedis.start(tcp=True, port=self._port, directory=self._data, persistent=True)

    def forget_data(self) -> None:
        """Let the Redis that is down come back with nothing."""
        shutil.rmtree(self._data / "appendonlydir")

    def remember_data(self) -> None:
        """Keep what Redis holds now: every command is in its file before it is answered."""
        shutil.rmtree(self._older, ignore_errors=True)
        shutil.copytree(self._data / "appendonlydir", self._older)

    def restore_data(self) -> None:
        """Let the Redis that is down come back with what was kept."""
        self.forget_data()
        shutil.copytree(self._older, self._data / "appendonlydir")

    # -- processes ----------------------------------------------------------------------------------------------------

    def workers(self) -> list[int]:
        return self._running("worker")

    def leader(self) -> int | None:
        """Return the process that holds the lease, None while nobody does."""
        with Redis.from_url(self.redis_url, socket_timeout=DEADLINE_S) as redis:
            holder = redis.get(LEASE)
        return int(holder.split(b":")[-2]) if isinstance(holder, bytes) else None

    def another_leads(self, than: int | None) -> float:
        """Wait until a process other than ``than`` holds the lease; return how many seconds that took."""
        began = time.monotonic()
        eventually(lambda: self.leader() not in (None, than))
        return time.monotonic() - began

    def replace_standby(self) -> None:
        """See to it that there is one: besides the gateway's own relay there is another that waits for the lease."""
        if self._standby is None or self._standby.poll() is not None:
            with (self._data.parent / "standby.log").open("ab") as log:
                self._standby = subprocess.Popen(
                    dying_with_parent(sys.executable, str(BASE / "manage.py"), "relay"),
                    env=self.server.environment, cwd=BASE, stdout=log, stderr=log,
                )  # fmt: skip

    def end_standby(self) -> None:
        if self._standby is not None:
            self._standby.terminate()
            self._standby.wait(DEADLINE_S)

    def counted(self, metric: str) -> float:
        """Return the sum of a metric's numbers over all processes of the gateway; ``metric`` with its labels, or part of them."""
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        text = httpx.get(f"{self.server.url}/metrics", headers=headers, timeout=DEADLINE_S).text
        name, _, labels = metric.partition("{")
        lines = [line for line in text.splitlines() if line.startswith(name) and labels.rstrip("}") in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def _running(self, command: str) -> list[int]:
        script = str(BASE / "manage.py")
        found = []
        for child in psutil.Process(self.server.pid).children():
            try:
                line = child.cmdline()
            except psutil.NoSuchProcess:
                continue
            if script in line and line[line.index(script) + 1] == command:
                found.append(child.pid)
        return found


def eventually(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@contextmanager
def standing(directory: Path, *, drain_s: int = DRAIN_S, **more: str) -> Iterator[Stand]:
    """Run a stand below ``directory``; ``more`` settings are added to the gateway's environment."""
    stand = Stand(directory)
    with stand.proxy:
        url = f"redis://127.0.0.1:{stand.proxy.port}/0"
        settings = {
            "DRAIN_S": str(drain_s),
            "POLL_INTERVAL_S": "1",
            "HEARTBEAT_S": "1",
            "METRICS_TOKEN": METRICS_TOKEN,
            **more,
        }
        try:
            with live_server(directory, workers=2, redis_url=url, **settings) as stand.server:
                stand.replace_standby()
                try:
                    yield stand
                finally:
                    stand.end_standby()
        finally:
            stand.redis.stop()
