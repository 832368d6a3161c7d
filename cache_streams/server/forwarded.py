"""Who really connects, by which scheme and below which path: proxies are believed what they say of it, if the settings name them.

Here and for every server alike, because frameworks behind it believe such headers from anybody or from nobody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from django.conf import settings

Message = dict[str, Any]  # Any: an ASGI message or scope
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"
_SCHEMES = {
    "http": {"http": "http", "https": "https", "ws": "http", "wss": "https"},
    "websocket": {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"},
}


class Forwarded:
    """Puts the client's address and scheme into the scope, and takes the headers away that said so."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request or socket on, seen from outside."""
        if scope["type"] in _SCHEMES:
            scope = below_root(seen_from_outside(scope))
        await self.app(scope, receive, send)


def seen_from_outside(scope: Message) -> Message:
    """Return ``scope`` as the outermost believed proxy saw it. What is not believed stays where it was, unused."""
    client = scope.get("client")
    if settings.NUM_PROXIES == 0 or client is None or not is_trusted_proxy(client[0]):
        return scope
    address, steps = _outermost(client[0], _listed(scope, FOR))
    outside = {**scope, "client": (address, client[1] if steps == 0 else 0)}
    schemes = _listed(scope, PROTO)
    # Each proxy adds one to both lists, or one that replaces the list; what stands before was sent by the client.
    said = schemes[-min(max(steps, 1), len(schemes))] if schemes else ""
    outside["scheme"] = _SCHEMES[scope["type"]].get(said.lower(), scope.get("scheme", "http"))
    outside["headers"] = [header for header in scope["headers"] if header[0] not in (FOR, PROTO)]
    return outside


def below_root(scope: Message) -> Message:
    """Return ``scope`` with ``ROOT_PATH`` in front of its path, where a proxy has taken it away."""
    root: str = settings.ROOT_PATH
    path: str = scope["path"]
    if not root:
        return scope
    return {**scope, "root_path": root, "path": path if f"{path}/".startswith(f"{root}/") else root + path}


def is_trusted_proxy(address: str) -> bool:
    """Return whether ``address`` is in ``TRUSTED_PROXIES``."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in _networks(*settings.TRUSTED_PROXIES))


def _outermost(address: str, chain: list[str]) -> tuple[str, int]:
    """Return the first address from the inside that is no proxy of ours, and over how many proxies it was told."""
    steps = 0
    while chain and steps < settings.NUM_PROXIES and is_trusted_proxy(address):
        told = _parsed(chain.pop())
        if told is None:  # "unknown", or nonsense: the proxy that said so is as far as is known
            break
        address, steps = str(told), steps + 1
    return address, steps


def _listed(scope: Message, name: bytes) -> list[str]:
    values = (value.decode("latin-1") for header, value in scope["headers"] if header == name)
    return [part.strip() for part in ",".join(values).split(",") if part.strip()]


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address in ``text``: bare, ``1.2.3.4:port``, ``[::1]`` or ``[::1]:port``; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4)
def _networks(*named: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(name, strict=False) for name in named)
