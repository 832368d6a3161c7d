"""Which web pages may open sockets: none that is foreign. Programs send no Origin, and no cookie ever authenticates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from cache_streams.carriers import headers

_HTTP_SCHEME = {"ws": "http", "wss": "https"}
_LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


def is_allowed(scope: Mapping[str, Any]) -> bool:  # Any: the ASGI connection scope
    """Return whether the handshake's Origin is absent, our own, or listed in ``CORS_ALLOWED_ORIGINS``."""
    origins = set(headers(scope, b"origin"))
    if not origins:
        return True
    if len(origins) > 1:
        return False
    (origin,) = origins
    return origin in settings.CORS_ALLOWED_ORIGINS or _is_own(scope, origin)


def _is_own(scope: Mapping[str, Any], origin: str) -> bool:  # Any: as above
    hosts = headers(scope, b"host")
    if len(hosts) != 1:
        return False
    domain, _ = split_domain_port(hosts[0])
    allowed = settings.ALLOWED_HOSTS or (_LOCAL_HOSTS if settings.DEBUG else [])
    own = f"{_HTTP_SCHEME.get(scope.get('scheme', 'ws'), 'http')}://{hosts[0]}"
    return bool(domain) and validate_host(domain, allowed) and origin.lower() == own.lower()
