"""Which charset a request may name: Django looks for it among Python's codecs, and fails on those that make no text."""

from __future__ import annotations

from email.message import Message as Header

from accounts.body_limit import Application, Receive, Scope, Send, reply
from accounts.errors import unknown_charset

KNOWN = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252"})
_CONTENT_TYPE = b"content-type"


class KnownCharset:
    """Django's ASGI application, answering 422 to a ``Content-Type`` with another charset.

    ``charset=zlib`` would end its request in a text of the server, before any of our code, and so would ``idna``.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        named = [value for name, value in scope["headers"] if name == _CONTENT_TYPE]
        if all(_charset(value) in KNOWN for value in named):
            await self._application(scope, receive, send)
            return
        others = [(name, value) for name, value in scope["headers"] if name != _CONTENT_TYPE]
        await reply({**scope, "headers": others}, send, unknown_charset)


def _charset(content_type: bytes) -> str:
    header = Header()
    header["content-type"] = content_type.decode("latin-1").replace("\r", "").replace("\n", "")
    charset = header.get_param("charset", "utf-8")
    return charset.strip().lower() if isinstance(charset, str) else ""
