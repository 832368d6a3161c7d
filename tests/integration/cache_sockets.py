"""Opening the cache's sockets by hand: every carrier of a token, every kind of refusal, every end."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.http11 import Response
from websockets.typing import Origin, Subprotocol

from tests.integration.wire.collector import fresh_name
from tests.integration.wire.rpc_client import CACHE, DEADLINE_S, Socket
from tests.live import LiveServer

INVALID = "Invalid authentication token"
ADMIN, PLAIN = 1, 2


def token_of(
    server: LiveServer, user_id: object = ADMIN, *, algorithm: str = "HS256", **claims: object
) -> str:
    """Return a token as other services of a deployment sign them; a claim of None is left out."""
    payload = {
        "sub": str(user_id),
        "user_id": user_id,
        "scopes": ["read"],
        "exp": int(time.time()) + 3600,
        **claims,
    }
    present = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(present, server.jwt_secret, algorithm=algorithm)


def base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@asynccontextmanager
async def opened(
    server: LiveServer,
    path: str,
    token: str | None = None,
    *,
    bearer: str | None = None,
    protocols: list[str] | None = None,
    origin: str | None = None,
) -> AsyncIterator[Socket]:
    """Open a socket below the cache's prefix (or of a whole path that begins with two slashes) with these carriers."""
    whole = path[1:] if path.startswith("//") else CACHE + path
    async with connect(
        f"{server.ws_url}{whole}" + ("" if token is None else f"?token={token}"),
        additional_headers={} if bearer is None else {"Authorization": f"Bearer {bearer}"},
        subprotocols=None if protocols is None else [Subprotocol(each) for each in protocols],
        origin=None if origin is None else Origin(origin),
        open_timeout=DEADLINE_S,
        compression=None,
    ) as connection:
        yield Socket(connection)


async def refusal(server: LiveServer, path: str, token: str | None = None, **carriers: Any) -> Response:
    """Return the HTTP answer that refuses a handshake."""  # Any: what `opened` takes
    with pytest.raises(InvalidStatus) as refused:
        async with opened(server, path, token, **carriers):
            pass
    return refused.value.response


def detail(response: Response) -> tuple[int, str]:
    """Return status and reason of a refusal; a 401 says how to authenticate, and every body is the same JSON."""
    assert response.headers["Content-Type"] == "application/json"
    body = json.loads(bytes(response.body or b""))
    assert body["success"] is False
    assert body["error"] == body["detail"]
    if response.status_code == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
    return response.status_code, body["detail"]


async def closed(socket: Socket) -> tuple[int, str]:
    """Return code and reason of the close, once it came; frames before it are passed over."""
    async with asyncio.timeout(DEADLINE_S):
        with suppress(ConnectionClosedError):
            async for _ in socket.connection:
                pass
    code, reason = socket.connection.close_code, socket.connection.close_reason
    assert code is not None
    assert reason is not None
    return code, reason


async def in_shell(server: LiveServer, code: str) -> str:
    """Return what a process beside the server printed; ``User`` is the user model."""
    whole = f"import time; from accounts.models import User; {code}"
    return (await asyncio.to_thread(server.manage, "shell", "--verbosity=0", "-c", whole)).strip()


async def new_user(server: LiveServer, **fields: object) -> int:
    return int(
        await in_shell(
            server, f"print(User.objects.create_user({fresh_name('u')!r} + '@t', **{fields!r}).pk)"
        )
    )
