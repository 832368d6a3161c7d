"""How many agent events per second REST stores, one by one and in batches, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.gateway import Gateway
from benchmarks.report import Findings, Row
from tests.live import live_server
from tests.postgres import TestPostgres

API = "/api/v1/agents"
PRODUCERS = 4
BATCH = 20
SINGLE, QUICK_SINGLE = 2000, 80
BATCHED, QUICK_BATCHED = 20_000, 400
SINGLE_PER_S = 150
BATCHED_PER_S = 1500
_PAGE = 200
_EVENT = {"type": "agent_thinking", "reasoning": "Need the order record before judging.", "step_number": 1}

Json = Any  # Any: JSON of any shape


@dataclass(slots=True)
class Connection:
    """One kept-alive HTTP connection, as cheap as Python allows: the client shares the cores with what it measures."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes

    @classmethod
    async def open(cls, gateway: Gateway) -> Self:
        address = urlsplit(gateway.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"Host: {address.netloc}\r\nAuthorization: Bearer {gateway.token()}\r\n"
        return cls(reader, writer, f"{head}Content-Type: application/json\r\n".encode())

    async def ask(self, method: str, path: str, body: Json = None) -> Json:
        """Return the JSON of a 2xx answer. Raises: RuntimeError with the status of another."""
        raw = b"" if body is None else json.dumps(body).encode()
        line = f"{method} {path} HTTP/1.1\r\nContent-Length: {len(raw)}\r\n".encode()
        self.writer.write(line + self.head + b"\r\n" + raw)
        top = await self.reader.readuntil(b"\r\n\r\n")
        length = next(int(x[15:]) for x in top.lower().split(b"\r\n") if x.startswith(b"content-length:"))
        answer = await self.reader.readexactly(length)
        if top[9:10] != b"2":
            raise RuntimeError(f"{method} {path}: {top[9:12].decode()}")
        return json.loads(answer)


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Append from four connections at once: to a gateway with SQLite, and to another one with PostgreSQL."""
    found = Findings()
    await _measure(gateway, "SQLite", found, quick=quick)
    with _gateway_on_postgres() as other:
        await _measure(other, "PostgreSQL", found, quick=quick)
    return found


@contextmanager
def _gateway_on_postgres() -> Iterator[Gateway]:
    postgres = TestPostgres.start()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="gw-bench-") as directory,
            live_server(
                Path(directory),
                ENV_FILE=os.devnull,
                SECRET_KEY=secrets.token_hex(24),
                JWT_SECRET_KEY=secrets.token_hex(24),
                DATABASE_URL=postgres.url,
            ) as server,
        ):
            yield Gateway(server.url, server.redis_url, server)
    finally:
        postgres.stop()


async def _measure(gateway: Gateway, database: str, found: Findings, *, quick: bool) -> None:
    connections = [await Connection.open(gateway) for _ in range(PRODUCERS)]
    runs = [
        (await each.ask("POST", f"{API}/runs/", {"agent_name": "bench"}))["run_id"] for each in connections
    ]

    async def appending(events: int, size: int) -> float:
        body: Json = _EVENT if size == 1 else {"events": [_EVENT] * size}

        async def produce(connection: Connection, run_id: str) -> None:
            for _ in range(events // PRODUCERS // size):
                await connection.ask("POST", f"{API}/runs/{run_id}/events/", body)

        works = [produce(connection, run) for connection, run in zip(connections, runs, strict=True)]
        return await _timed(lambda: asyncio.gather(*works))

    plan = (
        ("one by one", QUICK_SINGLE if quick else SINGLE, 1, SINGLE_PER_S),
        (f"batches of {BATCH}", QUICK_BATCHED if quick else BATCHED, BATCH, BATCHED_PER_S),
    )
    for name, events, size, floor in plan:
        rate = events / await appending(events, size)
        row: Row = {"database": database, "appends": name, "events": events, "events/s": round(rate)}
        found.rows.append(row)
        # A few dozen appends are no figure.
        found.judge(f"{database}, {name}: ≥ {floor} events/s", f"{rate:.0f}", passed=quick or rate >= floor)
    stored = await _stored(connections[0])
    expected = PRODUCERS + sum(events for _, events, _, _ in plan)
    found.judge(
        f"{database}: every answered event is stored, without a gap",
        f"{len(stored)} of {expected}",
        passed=stored == list(range(1, expected + 1)),
    )
    for connection in connections:
        connection.writer.close()


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that ``work`` takes."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _stored(connection: Connection) -> list[int]:
    """Return the cursors of all stored events, in the order of their replay."""
    cursors: list[int] = []
    while True:
        after = cursors[-1] if cursors else 0
        page = await connection.ask("GET", f"{API}/events/?after={after}&limit={_PAGE}")
        cursors += [event["cursor"] for event in page["events"]]
        if not page["has_more"]:
            return cursors
