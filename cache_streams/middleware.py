"""Before any socket is routed: its origin is checked and its token verified; a refusal says why in the way its client can see."""

from __future__ import annotations

import json
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
from cache_streams.carriers import NoSupportedSubprotocol, read_offer
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
            await refuse(scope, receive, send, "SERVICE_UNAVAILABLE")
        except AuthenticationRefused as refused:
            if offer.browser:
                _note_refusal(scope, refused.code)
                await refuse_after_accept(receive, send, refused.code, offer.echo)
            else:
                await refuse(scope, receive, send, refused.code)
        else:
            await self.app({**scope, "login": login, "echo": offer.echo}, receive, send)


def _needs_no_token(scope: Message) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
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
    headers = [(b"content-type", b"application/json")]
    if status == _UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": json.dumps(body).encode()})


async def refuse_after_accept(receive: Receive, send: Send, code: str, echo: str | None) -> None:
    """Accept, say why, close 1008, back to back: a browser sees no HTTP status, and nobody takes this for a login."""
    await receive()
    error = {
        "type": "error",
        "success": False,
        "error_code": code,
        "error": _TEXTS[code],
        "error_message": _TEXTS[code],
        "details": {},
        "request_id": None,
        "retryable": False,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    await send({"type": "websocket.accept", "subprotocol": echo})
    await send({"type": "websocket.send", "text": json.dumps(error)})
    await send({"type": "websocket.close", "code": 1008, "reason": code.lower()})
