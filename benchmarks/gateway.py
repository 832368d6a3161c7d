"""The gateway that is measured: a real one in processes of its own, with its own Redis and database."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
import psutil

from benchmarks.machine import BASE
from tests.live import LiveServer, live_server

CACHE = "/api/v1/cache/ws"
STAFF_ID = 1
_TOKEN_S = 3600
METRICS_TOKEN = "metrics-of-the-benchmark"  # noqa: S105  # of a gateway that lives for minutes
_NO_LIMITS = dict.fromkeys(
    (
        "SOCKETS_PER_USER",
        "SUBSCRIPTIONS_PER_SOCKET",
        "PENDING_HANDSHAKES_PER_ADDRESS",
        "NATIVE_REQUESTS_PER_S",
        "RPC_REQUESTS_PER_S",
        "FRAMES_PER_S",
    ),
    "0",
)
"""Thousands of sockets of one user from one address are what is measured here."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: ``url`` is ``http://host:port``, ``redis_url`` its own Redis."""

    url: str
    redis_url: str
    _server: LiveServer

    def token(self) -> str:
        """Return a fresh token of a staff user, as another service of the deployment would sign it."""
        claims = {
            "sub": "admin@fullon",
            "user_id": STAFF_ID,
            "exp": int(time.time()) + _TOKEN_S,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._server.jwt_secret, algorithm="HS256")

    def shell(self, code: str) -> str:
        """Return what code printed that ran beside the gateway, on its database."""
        return self._server.manage("shell", "--verbosity=0", "-c", code)

    def cpu_s(self) -> dict[str, float]:
        """Return CPU seconds used so far, by part: ``worker``, ``relay``, ``redis``."""
        return {part: sum(_cpu_s(psutil.Process(pid)) for pid in pids) for part, pids in self.pids().items()}

    def pids(self) -> dict[str, list[int]]:
        """Return process ids by part: ``worker``, ``relay``, ``redis``."""
        found: dict[str, list[int]] = {"worker": [], "relay": [], "redis": [self._server.redis_pid]}
        for child in psutil.Process(self._server.pid).children(recursive=True):
            part = next((part for part in ("worker", "relay") if part in child.cmdline()), None)
            if part is not None:
                found[part].append(child.pid)
        return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def running_gateway(**settings: str) -> Iterator[Gateway]:
    """Run a gateway with one worker; nothing of the developer's own installation reaches it, but ``settings``."""
    for name in re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", (BASE / ".env.example").read_text(), re.MULTILINE):
        os.environ.pop(name, None)
    os.environ.update(_NO_LIMITS | settings)
    with (
        tempfile.TemporaryDirectory(prefix="gw-bench-") as directory,
        live_server(
            Path(directory),
            ENV_FILE=os.devnull,
            METRICS_TOKEN=METRICS_TOKEN,
            SECRET_KEY=secrets.token_hex(24),
            JWT_SECRET_KEY=secrets.token_hex(24),
        ) as server,
    ):
        yield Gateway(server.url, server.redis_url, server)
