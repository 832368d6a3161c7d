"""The shipped application on a server that offers no frame sink: every socket is fed through plain ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from cache_streams.outlet import EXTENSION
from fullon_master import asgi

Message = dict[str, Any]  # Any: an ASGI message
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

shipped = cast(
    "Callable[[Message, Receive, Send], Awaitable[None]]", asgi.application
)  # Channels types each event


async def application(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        offered = scope["extensions"]
        if EXTENSION not in offered:
            raise RuntimeError("the server offers no sink: these tests would run twice the same")
        del offered[EXTENSION]
    await shipped(scope, receive, send)
