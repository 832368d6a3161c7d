"""Daphne, able to say why it closes: its library refuses codes such as 1008 and drops every reason."""

from __future__ import annotations

from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

REASON_BYTES = 123
"""What a close frame has room for beside its code (RFC 6455 §5.5)."""


class GatewayDaphneProtocol(WebSocketProtocol):  # type: ignore[misc]  # daphne has no types
    """Sends close frames with our code and reason through the library's lower-level call."""

    def handle_reply(self, message: dict[str, Any]) -> None:  # Any: an ASGI message
        """Carry out one ASGI message of the application."""
        if message["type"] == "websocket.close" and self.state != self.STATE_CONNECTING:
            cut = (message.get("reason") or "").encode()[:REASON_BYTES]
            reason = cut.decode(errors="ignore").encode()  # a client hangs up on half a character
            self.sendCloseFrame(code=message.get("code") or 1000, reasonUtf8=reason)
        else:
            super().handle_reply(message)


class GatewayDaphneServer(Server):  # type: ignore[misc]  # daphne has no types
    """Daphne's server with our protocol; its factory leaves no other place to name one."""

    def run(self) -> None:
        """Serve until stopped."""
        WebSocketFactory.protocol = GatewayDaphneProtocol
        super().run()
