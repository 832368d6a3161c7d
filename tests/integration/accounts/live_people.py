"""Users of a live gateway for tests: their tokens, keys and tickets over REST, and sockets that they open with them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.integration.wire.collector import fresh_name
from tests.integration.wire.rpc_client import DEADLINE_S
from tests.live import LiveServer

PASSWORD = "correct horse"
PATH = "/api/v1/cache/ws/tickers/c1"


@dataclass(frozen=True)
class Person:
    """A user of a live server."""

    server: LiveServer
    uid: int
    mail: str

    def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return httpx.post(
            f"{self.server.url}/api/v1{path}", json=body or {}, headers=headers, timeout=DEADLINE_S
        )

    def patch(self, path: str, **headers: str) -> httpx.Response:
        return httpx.patch(f"{self.server.url}/api/v1{path}", headers=headers, timeout=DEADLINE_S)

    def log_in(self) -> dict[str, str]:
        """Return a pair of tokens."""
        answer = self.post("/auth/token/", {"mail": self.mail, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        told: dict[str, str] = answer.json()
        return told

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.log_in()['access']}"}

    def key(self, **fields: object) -> dict[str, Any]:  # Any: the record as JSON
        """Return a new key's record."""
        answer = self.post("/orm/api_keys/me", fields, **self.bearer())
        assert answer.status_code == 200, answer.text
        record: dict[str, Any] = answer.json()
        return record

    def ticket(self, scope: str = "", **headers: str) -> str:
        """Return a ticket."""
        answer = self.post("/auth/ticket/", {"scope": scope}, **(headers or self.bearer()))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ticket"])


async def new_person(server: LiveServer, then: str = "") -> Person:
    """Return a new user; ``then`` is code that ``user`` goes through before."""
    mail = f"{fresh_name('person')}@fullon"
    user = f"user = User.objects.create_user({mail!r}, {PASSWORD!r})"
    code = f"from accounts.models import *; {user}; {then or 'pass'}; print(user.pk)"
    return Person(server, int(await beside(server, code)), mail)


async def beside(server: LiveServer, code: str) -> str:
    """Return what a process beside the server printed."""
    done = await asyncio.to_thread(server.manage, "shell", "--verbosity=0", "-c", code)
    return done.strip()


async def sockets(
    stack: AsyncExitStack,
    server: LiveServer,
    *,
    query: str = "",
    count: int = 1,
    headers: dict[str, str] | None = None,
) -> list[ClientConnection]:
    """Open ``count`` sockets, which the workers of the server share."""
    url = f"{server.ws_url}{PATH}{query and f'?{query}'}"
    return [
        await stack.enter_async_context(
            connect(url, additional_headers=headers, compression=None, open_timeout=DEADLINE_S)
        )
        for _ in range(count)
    ]


async def ends(opened: list[ClientConnection]) -> list[tuple[int | None, str | None, float]]:
    """Return code, reason and Unix time of each close, within the deadline."""

    async def end(socket: ClientConnection) -> tuple[int | None, str | None, float]:
        await socket.wait_closed()
        return socket.close_code, socket.close_reason, time.time()

    async with asyncio.timeout(2 * DEADLINE_S):
        return await asyncio.gather(*map(end, opened))


async def alive(opened: list[ClientConnection]) -> None:
    """Assert that sockets still answer."""
    for socket in opened:
        async with asyncio.timeout(DEADLINE_S):
            await socket.send('{"action": "ping"}')
            assert "ok" in await socket.recv()
