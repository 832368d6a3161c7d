"""What people wait for who watch agents: connects, events from their publishing to their receipt, pages and REST answers."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.agents import API, Connection
from benchmarks.gateway import Gateway
from benchmarks.report import Findings, milliseconds, percentile
from tests.live import ADMIN_MAIL, PASSWORD, live_server

PATH = "/api/v1/cache/ws/agents/bench"
TIMES, QUICK_TIMES = 100, 5
EVENTS, QUICK_EVENTS = 300, 10
LOGINS, QUICK_LOGINS = 20, 2
DEADLINE_S = 20.0
_THINKING = {"type": "agent_thinking", "reasoning": "Need the order record before judging."}
_TOOL = {"type": "tool_executing", "tool_name": "order_lookup", "parameters": {}}
_ANSWER = {
    "type": "tool_completed",
    "tool_name": "order_lookup",
    "results": {},
    "duration": 0,
    "success": True,
}
_END = {"type": "agent_completed", "status": "success", "final_response": "Rejected for insufficient margin."}

Timed = Callable[[], Awaitable[None]]


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Time each kind of waiting, one at a time, on a gateway that has nothing else to do."""
    found = Findings()
    rest = await Connection.open(gateway)
    times = QUICK_TIMES if quick else TIMES

    async def welcomed() -> None:
        (await _welcomed(gateway, gateway.token())).transport.abort()

    connects = [await _seconds(welcomed) for _ in range(times)]
    _told(found, "connect to welcome", connects, p95_s=0.100, most_s=0.500, quick=quick)
    latencies = await _latencies(gateway, rest, QUICK_EVENTS if quick else EVENTS)
    _told(found, "publish to receive", latencies, p95_s=0.050, most_s=0.200, quick=quick)
    beats = [await _beat(gateway) for _ in range(times // 5)]
    _told(found, "heartbeat to answer", beats, p95_s=1.0, quick=quick)
    returns = [await _return(gateway) for _ in range(times // 5)]
    _told(found, "reconnect to end of replay", returns, p95_s=3.0, most_s=3.0, quick=quick)
    flows = [await _flow(gateway, rest) for _ in range(times // 5)]
    _told(found, "run of five events", flows, p95_s=1.0, quick=quick)
    await _http(gateway, rest, found, quick=quick)
    rest.writer.close()
    starts = [await _cold_start() for _ in range(1 if quick else 3)]
    _told(found, "cold start to completed run", starts, p95_s=20.0, quick=quick)
    return found


async def _http(gateway: Gateway, rest: Connection, found: Findings, *, quick: bool) -> None:
    times = QUICK_TIMES if quick else TIMES
    run_id = (await rest.ask("POST", f"{API}/runs/", {"agent_name": "bench"}))["run_id"]
    async with httpx.AsyncClient(base_url=gateway.url, timeout=DEADLINE_S) as client:
        bearer = {"Authorization": f"Bearer {gateway.token()}"}

        async def log_in() -> str:
            answer = await client.post(
                "/api/v1/auth/login", json={"username": ADMIN_MAIL, "password": PASSWORD}
            )
            answer.raise_for_status()
            return str(answer.json()["access_token"])

        async def log_in_and_watch() -> None:
            (await _welcomed(gateway, await log_in())).transport.abort()

        def got(path: str) -> Timed:
            async def get() -> None:
                (await client.get(path, headers=bearer)).raise_for_status()

            return get

        logins = [await _seconds(log_in_and_watch) for _ in range(QUICK_LOGINS if quick else LOGINS)]
        _told(found, "login to welcome", logins, p95_s=0.500, quick=quick)
        for path, p95_s in (
            ("/health", 0.220),
            ("/health/ready", 0.220),
            (f"{API}/runs/", 0.220),
            (f"{API}/runs/{run_id}/", 0.220),
            ("/admin/login/", 0.200),
            ("/", 0.200),
        ):
            asked = [await _seconds(got(path)) for _ in range(times)]
            _told(found, path.replace(run_id, "{run_id}"), asked, p95_s=p95_s, quick=quick)


async def _welcomed(gateway: Gateway, token: str, query: str = "") -> ClientConnection:
    """Return a socket that was welcomed as whose it is."""
    async with asyncio.timeout(DEADLINE_S):
        headers = {"Authorization": f"Bearer {token}"}
        url = gateway.url.replace("http", "ws", 1) + PATH + query
        connection = await connect(url, additional_headers=headers, compression=None)
        await connection.recv()
    return connection


async def _latencies(gateway: Gateway, rest: Connection, events: int) -> list[float]:
    """Return seconds from the request that publishes an event to its receipt, event by event."""
    run_id = (await rest.ask("POST", f"{API}/runs/", {"agent_name": "bench"}))["run_id"]
    seconds = []
    connection = await _welcomed(gateway, gateway.token())
    for _ in range(events):
        began = time.perf_counter()
        publishing = asyncio.create_task(rest.ask("POST", f"{API}/runs/{run_id}/events/", _THINKING))
        async with asyncio.timeout(DEADLINE_S):
            await connection.recv()
        seconds.append(time.perf_counter() - began)
        await publishing
    await connection.close()
    return seconds


async def _beat(gateway: Gateway) -> float:
    """Return seconds from a client's heartbeat to its answer."""
    connection = await _welcomed(gateway, gateway.token())
    began = time.perf_counter()
    await connection.send('{"type":"heartbeat"}')
    await _until(connection, "heartbeat_ack")
    connection.transport.abort()
    return time.perf_counter() - began


async def _return(gateway: Gateway) -> float:
    """Return seconds from a new connect to the end of what it is told again: a hundred events or more."""
    began = time.perf_counter()
    connection = await _welcomed(gateway, gateway.token(), query="?after=1")
    await _until(connection, "replay_complete")
    connection.transport.abort()
    return time.perf_counter() - began


async def _cold_start() -> float:
    """Return seconds from the start of a gateway's processes to the end of its demonstration's first run."""
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as directory:
        began = time.perf_counter()
        with live_server(
            Path(directory),
            ENV_FILE=os.devnull,
            AGENT_RUNNER="demo",
            SECRET_KEY=secrets.token_hex(24),
            JWT_SECRET_KEY=secrets.token_hex(24),
        ) as server:
            gateway = Gateway(server.url, server.redis_url, server)
            connection = await _welcomed(gateway, gateway.token())
            await connection.send('{"type":"agent_request","text":"how are you"}')
            await _until(connection, "agent_completed")
            connection.transport.abort()
            return time.perf_counter() - began


async def _until(connection: ClientConnection, kind: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while json.loads(await connection.recv()).get("type") != kind:
            pass


async def _flow(gateway: Gateway, rest: Connection) -> float:
    """Return seconds from starting a run to the receipt of the last of its five events, each published by itself."""
    connection = await _welcomed(gateway, gateway.token())
    began = time.perf_counter()
    run_id = (await rest.ask("POST", f"{API}/runs/", {"agent_name": "bench"}))["run_id"]
    for event in (_THINKING, _TOOL, _ANSWER, _END):
        await rest.ask("POST", f"{API}/runs/{run_id}/events/", event)
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(5):
            await connection.recv()
    seconds = time.perf_counter() - began
    connection.transport.abort()
    return seconds


async def _seconds(work: Timed) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def _told(
    found: Findings,
    what: str,
    seconds: Sequence[float],
    *,
    p95_s: float,
    most_s: float | None = None,
    quick: bool,
) -> None:
    """Add a row, and a verdict on each bound; a quick run is no figure."""
    p50, p95, most = (percentile(seconds, share) for share in (0.5, 0.95, 1.0))
    found.rows.append(
        {
            "waiting for": what,
            "times": len(seconds),
            "p50 ms": milliseconds(p50),
            "p95 ms": milliseconds(p95),
            "max ms": milliseconds(most),
        }
    )
    found.judge(
        f"{what}: p95 < {p95_s * 1000:.0f} ms", f"{milliseconds(p95)} ms", passed=quick or p95 < p95_s
    )
    if most_s is not None:
        rule = f"{what}: max < {most_s * 1000:.0f} ms"
        found.judge(rule, f"{milliseconds(most)} ms", passed=quick or most < most_s)
