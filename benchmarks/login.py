"""How long it takes from mail and password to the first frame, and whether a failed login's time tells who exists."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

import httpx
import redis

from benchmarks import cache, sockets
from benchmarks.gateway import CACHE, Gateway
from benchmarks.report import Findings, milliseconds, percentile
from cache_streams.demo import writes
from tests.live import ADMIN_MAIL, PASSWORD, PLAIN_MAIL

LOGINS = 60
FAILURES = 25  # of each kind: below the limits on guessing
QUICK = 3
WHOLE_P95_S = 0.500
ALIKE = 1.15
"""The slowest median of failures may be so many times the quickest; work is the same, machines are not."""
_IMPORTED = "imported@fullon"
_IMPORT = f"""
import bcrypt
from accounts.hashers import stored_form
from accounts.models import User
User.objects.create(mail="{_IMPORTED}", password=stored_form(bcrypt.hashpw(b"theirs", bcrypt.gensalt(12)).decode()))
"""


@dataclass(frozen=True, slots=True)
class Passage:
    """Seconds of one way in."""

    token: float
    whole: float


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Log in, open a socket and wait for its first frame, one after another; then fail in three ways by turns."""
    path = f"{CACHE}/tickers/{cache.EXCHANGE}/{cache.market(0)}"
    with redis.Redis.from_url(gateway.redis_url) as client:
        tick = cache.tick(cache.market(0), 1.0, time.time())
        cache.send(client, writes.tick(cache.EXCHANGE, cache.market(0), tick))
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as http:
        await _passage(gateway, http, path)  # the first pays for what is loaded once
        passages = [await _passage(gateway, http, path) for _ in range(QUICK if quick else LOGINS)]
        await asyncio.to_thread(gateway.shell, _IMPORT)
        failures = await _failures(http, QUICK if quick else FAILURES)
    return _findings(passages, failures)


async def _passage(gateway: Gateway, http: httpx.AsyncClient, path: str) -> Passage:
    first: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def take(_payload: bytes, _arrived: float) -> None:
        if not first.done():
            first.set_result(time.perf_counter())

    began = time.perf_counter()
    answered = await http.post("/api/v1/auth/token", json={"mail": ADMIN_MAIL, "password": PASSWORD})
    answered.raise_for_status()
    held = time.perf_counter()
    socket = await sockets.connect(gateway.url, path, answered.json()["access"], take)
    async with asyncio.timeout(sockets.ANSWER_DEADLINE_S):
        arrived = await first
    socket.close()
    return Passage(held - began, arrived - began)


async def _failures(http: httpx.AsyncClient, count: int) -> dict[str, list[float]]:
    """Return seconds of failed logins by what was wrong, taken by turns so that the machine's moods are shared."""
    mails = {
        "unknown mail": "nobody@fullon",
        "wrong password": PLAIN_MAIL,
        "wrong password, imported": _IMPORTED,
    }
    taken: dict[str, list[float]] = {name: [] for name in mails}
    await http.post(
        "/api/v1/auth/token", json={"mail": "first@fullon", "password": "wrong"}
    )  # looks at kinds of hashes
    for _ in range(count):
        for name, mail in mails.items():
            began = time.perf_counter()
            answered = await http.post("/api/v1/auth/token", json={"mail": mail, "password": "wrong"})
            taken[name].append(time.perf_counter() - began)
            if answered.status_code != httpx.codes.UNAUTHORIZED:
                raise RuntimeError(f"a wrong login was answered {answered.status_code}")
    return taken


def _findings(passages: list[Passage], failures: dict[str, list[float]]) -> Findings:
    found = Findings()
    measures = {
        "login": [each.token for each in passages],
        "login, socket, first frame": [each.whole for each in passages],
        **{f"failed login: {name}": taken for name, taken in failures.items()},
    }
    for name, seconds in measures.items():
        shares = {"p50 ms": 0.50, "p95 ms": 0.95}
        cells = {column: milliseconds(percentile(seconds, share)) for column, share in shares.items()}
        found.rows.append(
            {"measure": name, "times": len(seconds), **cells, "max ms": milliseconds(max(seconds))}
        )
    p95 = percentile(measures["login, socket, first frame"], 0.95)
    found.judge(
        f"from password to first frame: p95 < {WHOLE_P95_S * 1000:.0f} ms",
        f"{milliseconds(p95)} ms",
        passed=p95 < WHOLE_P95_S,
    )
    medians = [statistics.median(taken) for taken in failures.values()]
    ratio = max(medians) / min(medians)
    found.judge(
        f"failed logins: the slowest median is at most {ALIKE} x the quickest",
        f"{ratio:.2f} x",
        passed=ratio <= ALIKE,
    )
    return found
