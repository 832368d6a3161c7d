"""The shipped application with two routes that answer each message with itself: ``/echo/kept`` as our sockets are served
after their handshake, ``/echo/asgi`` by plain ASGI.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from channels.exceptions import StopConsumer

from cache_streams.consumers.retained import RetainedSocket
from cache_streams.outlet import EXTENSION, text_header
from fullon_master import asgi

Message = dict[str, Any]  # Any: an ASGI message
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

shipped = cast(
    "Callable[[Message, Receive, Send], Awaitable[None]]", asgi.application
)  # Channels types each event


async def application(scope: Message, receive: Receive, send: Send) -> None:
    path = scope.get("path") if scope["type"] == "websocket" else None
    if path == "/echo/kept":
        await keep(scope, receive, send)
    elif path == "/echo/asgi":
        await serve(receive, send)
    else:
        await shipped(scope, receive, send)


async def keep(scope: Message, receive: Receive, send: Send) -> None:
    sink = scope["extensions"][EXTENSION]

    async def echo(message: Message) -> None:
        if message["type"] == "websocket.disconnect":
            raise StopConsumer
        if "text" in message:
            payload = message["text"].encode()
            sink.write(text_header(len(payload)) + payload)
        else:
            payload = message["bytes"]
            sink.write(b"\x82" + text_header(len(payload))[1:] + payload)

    await receive()
    await send({"type": "websocket.accept"})
    sink.retain(RetainedSocket(echo, resume=sink.resume_reading, close=sink.close))


async def serve(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
