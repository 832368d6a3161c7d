"""A bound on request bodies, where they arrive: Django would spool any length to disk before a view could refuse."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse

from accounts.browser_policy import guard
from accounts.errors import too_large

Message = Mapping[str, Any]  # Any: ASGI messages, as Django types them
Scope = dict[str, Any]  # Any: an ASGI scope, as Django types it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BoundedBody:
    """Django's ASGI application, answering 413 to bodies above ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what announces too much is refused unread, anything else when it has sent too much."""
        bytes_max = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        received = _announced_bytes(scope)

        async def bounded_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            # Django reads the whole body first; at a disconnect it drops what it has and answers nothing.
            return {"type": "http.disconnect"} if received > bytes_max else message

        if received <= bytes_max:
            received = 0
            await self._application(scope, bounded_receive, send)
        if received > bytes_max:
            await reply(scope, send, too_large)


def _announced_bytes(scope: Scope) -> int:
    announced = dict(scope["headers"]).get(b"content-length", b"")
    return int(announced[:20]) if announced.isdigit() else 0  # 20 digits are too many already


async def reply(scope: Scope, send: Send, answer: Callable[[HttpRequest], HttpResponse]) -> None:
    """Answer in Django's stead, guarded as every answer, and close: the rest of the body is not read."""
    request = ASGIRequest(scope, io.BytesIO())
    response = guard(request, answer(request))
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
