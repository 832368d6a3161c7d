"""Where a socket carries its credentials: query string, headers, subprotocol list; and what to answer the list with."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from cache_streams.protocol.native.frames import PROTOCOL

NATIVE_PROTOCOL = PROTOCOL
MARKER = "jwt-auth"
_PREFIXES = ("jwt.", "jwt-auth.", "bearer.")
_ECHOABLE = re.compile(r"[A-Za-z0-9._-]+")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_QUERY_FIELDS = 64
"""Query parameters looked at; a URL with more is refused as malformed."""

Scope = Mapping[str, Any]  # Any: the ASGI connection scope


class CarrierRefused(Exception):
    """The handshake's carriers cannot be used; ``code`` is AUTH_MALFORMED or AUTH_CONFLICT."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NoSupportedSubprotocol(Exception):
    """Subprotocols were offered and none of them is ours to answer with: HTTP 403."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a handshake offers. ``echo`` is the subprotocol to accept with; a browser is whoever cannot see an HTTP status."""

    echo: str | None
    browser: bool
    offered: tuple[str, ...]


def read_offer(scope: Scope) -> Offer:
    """Return what the raw headers offer. Raises: NoSupportedSubprotocol.

    The raw header counts, not the server's decoded list: answering what was not offered byte for byte breaks clients, and
    one server with them.
    """
    raw = headers(scope, b"sec-websocket-protocol")
    entries = tuple(entry.strip() for line in raw for entry in line.split(",") if entry.strip())
    browser = bool(entries) or bool(headers(scope, b"origin"))
    if not entries:
        return Offer(None, browser, ())
    ours = [entry for entry in entries if entry in (NATIVE_PROTOCOL, MARKER) or _is_token(entry)]
    ranked = sorted(ours, key=lambda entry: (entry != NATIVE_PROTOCOL, entry != MARKER))
    if not ranked or not _ECHOABLE.fullmatch(ranked[0]):
        raise NoSupportedSubprotocol
    return Offer(ranked[0], browser, entries)


def carried_token(scope: Scope, offer: Offer, *, allow_query: bool) -> str | None:
    """Return the one token that all carriers agree on, None when none carries one. Raises: CarrierRefused."""
    tokens = [*_header_tokens(scope), *(_entry_token(entry) for entry in offer.offered if _is_token(entry))]
    if allow_query:
        tokens += _query(scope).get("token", [])
    return _only(tokens)


def carried_ticket(scope: Scope) -> str | None:
    """Return the ticket in the query string, None without one. Raises: CarrierRefused for two that differ."""
    return _only(_query(scope).get("ticket", []))


def carried_key(scope: Scope, header: str) -> str | None:
    """Return the API key in ``header``, None without one. Raises: CarrierRefused for two that differ."""
    sent = headers(scope, header.lower().encode("ascii"))
    return _only([key for key in sent if key])


def carrier_name(scope: Scope, offer: Offer, key_header: str) -> str:
    """Return by what a handshake that was let in authenticates, the first of several."""
    if _header_tokens(scope):
        return "header"
    if any(map(_is_token, offer.offered)):
        return "subprotocol"
    if headers(scope, key_header.lower().encode("ascii")):
        return "api_key"
    return "query" if _query(scope).get("token") else "ticket"


def _only(carried: list[str]) -> str | None:
    if len(set(carried)) > 1:
        raise CarrierRefused("AUTH_CONFLICT")
    return carried[0] if carried else None


def headers(scope: Scope, name: bytes) -> list[str]:
    """Return every value of one header, as Latin-1 text."""
    found: Iterable[tuple[bytes, bytes]] = scope.get("headers", ())
    return [value.decode("latin-1") for header, value in found if header == name]


def _header_tokens(scope: Scope) -> list[str]:
    values = [value.partition(" ") for value in headers(scope, b"authorization")]
    return [token.strip() for scheme, _, token in values if scheme.lower() == "bearer" and token.strip()]


def _query(scope: Scope) -> dict[str, list[str]]:
    try:
        return parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=_QUERY_FIELDS)
    except ValueError:
        raise CarrierRefused("AUTH_MALFORMED") from None


def _is_token(entry: str) -> bool:
    return entry.startswith(_PREFIXES)


def _entry_token(entry: str) -> str:
    carried = entry.partition(".")[2]
    if carried.count(".") == 2:  # noqa: PLR2004  # a JWT's own dots: it was put in raw
        return carried
    if not _BASE64URL.fullmatch(carried) or len(carried) % 4 == 1:
        raise CarrierRefused("AUTH_MALFORMED")
    try:
        token = urlsafe_b64decode(carried + "=" * (-len(carried) % 4)).decode("ascii")
    except ValueError:
        raise CarrierRefused("AUTH_MALFORMED") from None
    if token.count(".") != 2:  # noqa: PLR2004  # as above
        raise CarrierRefused("AUTH_MALFORMED")
    return token
