"""Where stream and REST are, from whatever address of the gateway a person has at hand."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit, urlunsplit

API = "/api/v1"
_STREAM = "/stream"
_SECURE = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_REST = {"ws": "http", "wss": "https"}


def stream_url(given: str) -> str:
    """Return the socket's address. Raises: ValueError for what is no address, or holds credentials."""
    parts = urlsplit(given)
    if parts.scheme not in _SECURE or not parts.hostname:
        raise ValueError("url: must begin with http://, https://, ws:// or wss:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: must not hold a user or a password")
    if parts.query and {"token", "ticket"} & parse_qs(parts.query, keep_blank_values=True).keys():
        raise ValueError("url: must not hold a token or a ticket; pass a provider instead")
    path = parts.path if parts.path.strip("/") else API + _STREAM
    return urlunsplit((_SECURE[parts.scheme], parts.netloc, path, parts.query, ""))


def rest_url(given: str, path: str) -> str:
    """Return the address of a REST path below the API of the same gateway. Raises: ValueError as ``stream_url``."""
    parts = urlsplit(stream_url(given))
    base = parts.path.removesuffix(_STREAM) if parts.path.endswith(_STREAM) else API
    return urlunsplit((_REST[parts.scheme], parts.netloc, f"{base}/{path.lstrip('/')}", "", ""))


def root_url(given: str, path: str) -> str:
    """Return the address of a path outside the API, as ``/health``. Raises: ValueError as ``stream_url``."""
    parts = urlsplit(stream_url(given))
    return urlunsplit((_REST[parts.scheme], parts.netloc, path, "", ""))
