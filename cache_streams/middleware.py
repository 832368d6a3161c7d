"""Before any socket is routed: its origin is checked and its token verified; a refusal says why in the way its client can see."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings

from cache_streams import origin
from cache_streams.authentication import (
    ANONYMOUS,
    AuthenticationRefused,
    authenticate,
)
from cache_streams.carriers import NoSupportedSubprotocol, carrier_name, read_offer
from cache_streams.metrics import REFUSALS
from cache_streams.recent import AuthenticationUnavailable

Message = dict[str, Any]  # Any: an ASGI message or scope
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_TEXTS = {
    "AUTH_MISSING": "Missing authentication token",
    "AUTH_MALFORMED": "Invalid authentication token",
    "AUTH_INVALID": "Invalid authentication token",
    "AUTH_CONFLICT": "Conflicting authentication tokens",
    "FORBIDDEN": "Forbidden",
    "NOT_FOUND": "Not Found",
    "SERVICE_UNAVAILABLE": "Authentication error",
}
AGENTS_PATH = r"api/v1/cache/ws/agents/(?P<client_id>[A-Za-z0-9_-]{1,64})/?"
"""The agents' own path, below the root; ``AGENTS_ALIAS_PATHS`` are the others."""

_ENDS = {"SERVICE_UNAVAILABLE": ("INTERNAL_ERROR", 1011)}
"""Codes that an accepted socket is told otherwise than an HTTP client."""
_STATUS = {"FORBIDDEN": 403, "NOT_FOUND": 404, "SERVICE_UNAVAILABLE": 503}
_UNAUTHORIZED = 401

logger = structlog.get_logger(__name__)


class OriginMiddleware:
    """Refuses sockets that a foreign page opens: HTTP 403."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the socket on, or refuse it."""
        if origin.is_allowed(scope):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, receive, send, "FORBIDDEN")


class TokenAuthMiddleware:
    """Puts the ``Login`` of a verified token into the scope, and the subprotocol to accept with."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass an authenticated socket on; refuse any other, on unknown paths too."""
        try:
            offer = read_offer(scope)
        except NoSupportedSubprotocol:
            await refuse(scope, receive, send, "FORBIDDEN")
            return
        try:
            login = ANONYMOUS if _needs_no_token(scope) else await authenticate(scope, offer)
        except AuthenticationUnavailable:
            logger.exception("user store unavailable")
            if is_agents_path(scope):
                await refuse_after_accept(scope, receive, send, "SERVICE_UNAVAILABLE", offer.echo)
            else:
                await refuse(scope, receive, send, "SERVICE_UNAVAILABLE")
        except AuthenticationRefused as refused:
            if offer.browser or is_agents_path(scope):
                await refuse_after_accept(scope, receive, send, refused.code, offer.echo)
            else:
                await refuse(scope, receive, send, refused.code)
        else:
            carrier = carrier_name(scope, offer, settings.API_KEY_HEADER_NAME)
            await self.app({**scope, "login": login, "echo": offer.echo, "carrier": carrier}, receive, send)


def is_agents_path(scope: Message) -> bool:
    """Return whether a socket is for the agents family, whose clients are always told on the socket why they are refused."""
    path = _path(scope)
    return (
        path.rstrip("/") in settings.AGENTS_ALIAS_PATHS or re.fullmatch(f"/{AGENTS_PATH}", path) is not None
    )


def _path(scope: Message) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _needs_no_token(scope: Message) -> bool:
    path = _path(scope)
    return settings.ROOT_MOUNT and not settings.ROOT_MOUNT_AUTH and (path == "/ws" or path.startswith("/ws/"))


def _note_refusal(scope: Message, code: str) -> None:
    """Count and log a refusal: code, path without its query, address; never what was offered as a credential."""
    REFUSALS.labels(code).inc()
    client = scope.get("client")
    logger.info("handshake refused", code=code, path=scope["path"], address=client[0] if client else None)


async def refuse(scope: Message, receive: Receive, send: Send, code: str) -> None:
    """Refuse a handshake with an HTTP status and a JSON reason, or with 403 where the server can send no other."""
    _note_refusal(scope, code)
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": _TEXTS[code]})
        return
    status = _STATUS.get(code, _UNAUTHORIZED)
    body = {"detail": _TEXTS[code], "success": False, "error_code": code, "error": _TEXTS[code]}
    headers = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]
    if status == _UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": json.dumps(body).encode()})


async def refuse_after_accept(
    scope: Message, receive: Receive, send: Send, code: str, echo: str | None
) -> None:
    """Accept, say why, close 1008 (1011 if the fault is here), back to back: a browser sees no HTTP status."""
    _note_refusal(scope, code)
    await receive()
    told, close = _ENDS.get(code, (code, 1008))
    error = {
        "type": "error",
        "success": False,
        "error_code": told,
        "error": _TEXTS[code],
        "error_message": _TEXTS[code],
        "details": {},
        "request_id": None,
        "retryable": code in _ENDS,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    await send({"type": "websocket.accept", "subprotocol": echo})
    await send({"type": "websocket.send", "text": json.dumps(error)})
    await send({"type": "websocket.close", "code": close, "reason": told.lower()})
