"""A WebSocket client for tests: sends frames, receives each within a deadline, and asserts what every answer shares."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NoReturn, TypeAlias

import jwt
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket

from tests.live import LiveServer

Frame: TypeAlias = dict[str, Any]  # Any: JSON as received; each test asserts the parts that it names
Connect: TypeAlias = Callable[..., "AbstractAsyncContextManager[Socket]"]
DEADLINE_S = 10.0
CACHE = "/api/v1/cache"
Number = (int, float)
Nullable = type(None)


def token_of(server: LiveServer, user_id: int = 1) -> str:
    """Return a token as other services of a deployment sign them."""
    claims = {"sub": str(user_id), "user_id": user_id, "exp": int(time.time()) + 3600}
    return jwt.encode(claims, server.jwt_secret, algorithm="HS256")


@asynccontextmanager
async def connected(
    server: LiveServer, path: str, *, user_id: int = 1, query: str = ""
) -> AsyncIterator[Socket]:
    """Open the socket of ``path`` below the cache's prefix, or of a whole path that begins with two slashes."""
    whole = path[1:] if path.startswith("//") else CACHE + path
    url = f"{server.ws_url}{whole}?token={token_of(server, user_id)}{query}"
    async with open_socket(
        url, compression=None, max_size=None, max_queue=None, open_timeout=DEADLINE_S
    ) as connection:
        yield Socket(connection)


class Socket:
    """One socket; every wait ends after ``DEADLINE_S``."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, frame: object) -> None:
        """Send ``frame`` as JSON."""
        await self.send_raw(json.dumps(frame))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        async with asyncio.timeout(DEADLINE_S):
            await self.connection.send(frame)

    async def receive(self) -> Frame:
        """Return the next frame, which is a text and holds one strict JSON object."""
        async with asyncio.timeout(DEADLINE_S):
            text = await self.connection.recv()
        assert isinstance(text, str)
        frame = json.loads(text, parse_constant=_not_json)
        assert isinstance(frame, dict)
        return frame

    async def ask(self, action: str, request_id: object = "q", /, **params: object) -> Frame:
        """Return the answer to a query: the very next frame."""
        await self.send({"action": action, "request_id": request_id, "params": params})
        frame = await self.receive()
        assert frame["request_id"] == request_id
        return frame

    async def result(self, action: str, /, **params: object) -> Frame:
        """Return the result of a query that succeeds."""
        frame = await self.ask(action, **params)
        assert (frame["action"], frame["success"]) == (action, True), frame
        result = frame["result"]
        assert isinstance(result, dict)
        return result

    async def error(self, action: str, /, **params: object) -> str:
        """Return the code of a query that fails."""
        frame = await self.ask(action, **params)
        assert frame["success"] is False, frame
        assert isinstance(frame["error"], str)
        assert "result" not in frame
        return str(frame["error_code"])

    async def stream(self, action: str, request_id: object = "s1", /, **params: object) -> str:
        """Start a stream and return its key; the very next frame is the confirmation."""
        frame = await self.ask(action, request_id, **params)
        assert (frame["action"], frame["success"]) == (action, True), frame
        assert "result" not in frame
        return str(frame["stream_key"])

    async def update(self, name: str, request_id: object = "s1") -> Frame:
        """Return the result of the next frame, which is an update of that name."""
        frame = await self.receive()
        assert (frame.get("action"), frame["request_id"]) == (name, request_id), frame
        assert "success" not in frame
        result = frame["result"]
        assert isinstance(result, dict)
        return result

    async def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Return the first frame that is wanted; those before it are passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while not wanted(frame := await self.receive()):
                pass
        return frame

    async def until_told(self, **facts: object) -> Frame:
        """Return the first update whose result holds ``facts``: what was written just now may come in steps."""
        frame = await self.until(lambda frame: facts.items() <= frame.get("result", {}).items())
        result = frame["result"]
        assert isinstance(result, dict)
        return result

    async def answer_to(self, action: str, request_id: object = "amid", /, **params: object) -> Frame:
        """Return the answer to a query that is asked while updates arrive."""
        await self.send({"action": action, "request_id": request_id, "params": params})
        return await self.until(lambda frame: frame.get("request_id") == request_id and "success" in frame)

    async def quiet(self) -> None:
        """Assert that nothing was sent up to now: the next frame answers a ping."""
        assert (await self.ask("ping", "quiet"))["action"] == "ping"


def assert_shape(result: Frame, /, **types: type | tuple[type, ...]) -> None:
    """Assert that every named key is there and of one of its types; a truth value is no number."""
    for key, allowed in types.items():
        assert key in result, (key, result)
        value = result[key]
        assert isinstance(value, allowed), (key, value)
        assert not isinstance(value, bool) or allowed is bool, (key, value)


def _not_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")
