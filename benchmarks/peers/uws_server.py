"""A broadcast server on uWebSockets: clients name their channels in the query, ``/publish`` sends "channel text"."""

import sys
from typing import Any  # socketify has no types

from socketify import (  # type: ignore[import-not-found]  # runs in the peers' own environment
    App,
    CompressOptions,
    OpCode,
)


def _upgrade(response: Any, request: Any, context: Any) -> None:
    wanted = request.get_query("channels") or ""
    headers = (request.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions"))
    response.upgrade(*headers, context, wanted)


def _open(socket: Any) -> None:
    for channel in filter(None, socket.get_user_data().split(",")):
        socket.subscribe(channel)


def _message(socket: Any, message: str, _opcode: Any) -> None:
    channel, _, text = message.partition(" ")
    socket.publish(channel, text, OpCode.TEXT)


app = App()
app.ws(
    "/*",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 64 * 1024,
        "max_backpressure": 16 * 1024 * 1024,
        "idle_timeout": 120,
        "upgrade": _upgrade,
        "open": _open,
        "message": _message,
    },
)
app.listen(int(sys.argv[1]), lambda _: None)
app.run()
