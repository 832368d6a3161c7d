"""A console: one socket of the agents family, and the REST calls of the same user."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from tests.live import LiveServer

DEADLINE_S = 30.0
PATH = "/api/v1/cache/ws/agents/console-1"
ALIASES = ("/ws", "/websocket", "/api/v1/websocket")
EVENTS = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed")
STEPS: tuple[dict[str, Any], ...] = (  # Any: fields of each event
    {"type": "agent_thinking", "reasoning": "Need the order record before judging.", "step_number": 1},
    {
        "type": "tool_executing",
        "tool_name": "order_lookup",
        "parameters": {"order_id": 991},
        "execution_id": "x1",
    },
    {
        "type": "tool_completed",
        "tool_name": "order_lookup",
        "execution_id": "x1",
        "results": {"state": "rejected"},
        "duration": 0.042,
        "success": True,
    },
    {"type": "agent_completed", "status": "success", "final_response": "Rejected for insufficient margin."},
)
"""What follows ``agent_started`` in a whole run."""

Json = Any  # Any: JSON of any shape
Frame = dict[str, Json]


def minted(server: LiveServer, user_id: object, *, algorithm: str = "HS256", **claims: object) -> str:
    """Return a token; a claim of None is left out."""
    payload = {"user_id": user_id, "exp": int(time.time()) + 3600, **claims}
    present = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(present, server.jwt_secret, algorithm=algorithm)


def base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@dataclass
class Console:
    """One open socket; ``events`` are those that came so far, ``others`` every other frame."""

    connection: ClientConnection
    events: list[Frame] = field(default_factory=list)
    others: list[Frame] = field(default_factory=list)

    async def frame(self) -> Frame:
        """Return the next frame."""
        async with asyncio.timeout(DEADLINE_S):
            frame: Frame = json.loads(await self.connection.recv())
        (self.events if frame.get("stream") == "agents" and "cursor" in frame else self.others).append(frame)
        return frame

    async def until(self, wanted: Callable[[Frame], object]) -> Frame:
        """Return the first frame that is wanted; those before it are kept in ``events`` and ``others``."""
        while not wanted(frame := await self.frame()):
            pass
        return frame

    async def of_type(self, kind: str) -> Frame:
        return await self.until(lambda frame: frame.get("type") == kind)

    async def told(self, count: int) -> list[Frame]:
        """Return the first ``count`` events, once they are there."""
        while len(self.events) < count:
            await self.frame()
        return self.events[:count]

    async def send(self, body: Json) -> None:
        await self.connection.send(json.dumps(body))

    async def ask(self, action: str, request_id: str = "q", /, **params: Json) -> Frame:
        """Return the answer to a request, an error included."""
        await self.send({"action": action, "request_id": request_id, "params": params})
        return await self.until(lambda frame: frame.get("request_id") == request_id)

    async def nothing_more(self) -> None:
        """Make sure that no event is under way: the answer to a ping comes after whatever was sent before it."""
        before = len(self.events)
        await self.send({"action": "ping", "request_id": "last"})
        await self.until(lambda frame: frame.get("request_id") == "last")
        assert self.events[before:] == []

    async def closed(self) -> tuple[int | None, str | None]:
        """Return code and reason of the close, once it came; frames before it are kept."""
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionClosed):
                while True:
                    await self.frame()
        return self.connection.close_code, self.connection.close_reason


@asynccontextmanager
async def opened(
    server: LiveServer,
    token: str | None,
    path: str = PATH,
    *,
    query: str = "",
    headers: dict[str, str] | None = None,
    protocols: Sequence[str] | None = None,
    origin: str | None = None,
) -> AsyncIterator[Console]:
    """Open a socket, its token in the header."""
    own = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with connect(
        f"{server.ws_url}{path}" + (f"?{query}" if query else ""),
        additional_headers={**own, **(headers or {})},
        subprotocols=None if protocols is None else [Subprotocol(each) for each in protocols],
        origin=None if origin is None else Origin(origin),
        open_timeout=DEADLINE_S,
        max_queue=None,  # with unread frames in a full queue it could not hear the answer to its close
        compression=None,
    ) as connection:
        yield Console(connection)


@asynccontextmanager
async def console(
    server: LiveServer, token: str, path: str = PATH, *, query: str = ""
) -> AsyncIterator[Console]:
    """Open a socket that was welcomed."""
    async with opened(server, token, path, query=query) as one:
        first = await one.frame()
        assert first["type"] == "connection_established", first
        yield one


@dataclass(frozen=True)
class Rest:
    """One user's HTTP."""

    server: LiveServer
    token: str | None
    user_id: int = 0

    def ask(self, method: str, path: str, body: Json = None) -> tuple[int, Json]:
        """Return status and JSON of an answer below ``/api/v1/agents``."""
        status, raw = self.raw(method, path, body)
        return status, json.loads(raw)

    def raw(self, method: str, path: str, body: Json = None) -> tuple[int, bytes]:
        """Return status and bytes of an answer."""
        request = urllib.request.Request(f"{self.server.url}/api/v1/agents{path}", method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("X-Request-ID", "request-1")
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        raw = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, raw, timeout=DEADLINE_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def good(self, method: str, path: str, body: Json = None) -> Json:
        status, answer = self.ask(method, path, body)
        assert status in (200, 201), answer
        return answer

    def start(self, **body: Json) -> str:
        """Start a run and return its id."""
        return str(self.good("POST", "/runs/", {"agent_name": "triage", **body})["run_id"])

    def append(self, run_id: str, *events: Json) -> Json:
        return self.good("POST", f"/runs/{run_id}/events/", {"events": list(events)})

    def whole_run(self, **body: Json) -> str:
        """Report a run of all five events, one by one."""
        run_id = self.start(**body)
        for step in STEPS:
            self.good("POST", f"/runs/{run_id}/events/", step)
        return run_id


def thinking(text: str = "Hm.") -> Frame:
    return {"type": "agent_thinking", "reasoning": text}


def gapless(events: Sequence[Frame], *, after: int = 0) -> None:
    """Insist that cursors rise by one from ``after`` on, and that the numbers within each run do."""
    assert [event["cursor"] for event in events] == list(range(after + 1, after + 1 + len(events)))
    runs: dict[str, list[int]] = {}
    for event in events:
        runs.setdefault(event["run_id"], []).append(event["seq"])
    for numbers in runs.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
