"""The ASGI lifespan of one worker: says that it started, and that it stopped."""

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope


async def lifespan(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer the server's start and stop; a worker needs nothing prepared, its connections are made on first use."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return
