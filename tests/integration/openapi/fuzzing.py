"""One run of schemathesis against a live server, as its own program, and what its report says."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from tests.integration.wire.collector import Collector, position, trade
from tests.live import ADMIN_MAIL, PASSWORD, LiveServer

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance"),
    *("ignored_auth", "unsupported_method", "allow_header_conformance"),
)
SEED = "20261125"
TIMEOUT_S = 240
UNLIMITED = {
    "ADDRESS_LOGIN_ATTEMPTS_PER_MINUTE": "100000",
    "AGENTS_OPEN_RUNS_MAX": "100000",
    "AGENTS_REQUESTS_PER_MINUTE": "1000000",
    "CACHE_PUBLISH": "true",
    "LOGIN_ATTEMPTS_PER_MINUTE": "100000",
    "PUBLISHES_PER_MINUTE": "1000000",
    "TICKETS_PER_MINUTE": "0",
}
"""Settings under which a run meets the routes, not their limits."""


@dataclass(frozen=True)
class Outcome:
    """How many requests a run sent, the kinds of failures that it found, and what it printed; ``whole``: all were asked.

    ``refused``: operations (``GET /path``) that answered each request with 401 or 403.
    """

    requests: int
    found: frozenset[str]
    refused: frozenset[str]
    whole: bool
    log: str


def fill(server: LiveServer) -> None:
    """Let there be something of each stream, so that routes have something to tell."""
    with Redis.from_url(server.redis_url, socket_timeout=5.0) as redis:
        collector = Collector(redis)
        collector.tick("kraken", "BTC/USDC")
        collector.trades("kraken", "BTC/USDC", trade(1))
        collector.order("kraken", "O1", ex_id=7)
        collector.account(7, USDC={"total": 1.0, "free": 1.0, "used": 0.0})
        collector.positions(7, **{"BTC/USDC": position(0.5)})
        collector.bot("1", feed={"status": "running"})
        collector.bars("BTC/USDC", "1m", [1_700_000_040, 1, 2, 0.5, 1.5, 10])
        collector.process("tick", "kraken")


def run(
    server: LiveServer,
    directory: Path,
    paths: str,
    examples: int,
    *,
    mail: str | None = ADMIN_MAIL,
    phases: str = "examples,coverage,fuzzing",
) -> Outcome:
    """Send odd requests to every operation whose path matches ``paths``, ``examples`` of them invented for each.

    ``mail`` asks: the administrator, who is refused nothing, or whoever it names; None has no credential at all.
    Checks of authentication leave the credential out by themselves.
    """
    report = directory / "report.json"
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/openapi.json", *_credential(server, mail),
        "--include-path-regex", paths, "--checks", ",".join(CHECKS), "--phases", phases,
        "--max-examples", str(examples), "--seed", SEED, "--workers", "2", "--no-shrink", "--continue-on-failure",
        "--generation-database", "none", "--request-timeout", "20", "--report-json-path", str(report),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert report.is_file(), done.stdout + done.stderr
    return _outcome(json.loads(report.read_text()), done.stdout)


def _credential(server: LiveServer, mail: str | None) -> list[str]:
    if mail is None:
        return []
    login = httpx.post(
        f"{server.url}/api/v1/auth/login", json={"username": mail, "password": PASSWORD}, timeout=30.0
    )
    return ["--header", f"Authorization: Bearer {login.json()['access_token']}"]


def _outcome(report: dict[str, Any], log: str) -> Outcome:  # Any: the report's JSON
    operations = report["operations"]
    return Outcome(
        requests=report["test_cases"]["generated"],
        found=frozenset(failure["type"] for failure in report["failures"]),
        refused=frozenset(report["warnings"]["missing_auth"]),
        whole=report["complete"]
        and operations["tested"] == operations["selected"] > 0
        and not operations["errored"],
        log=log[-6_000:],
    )
