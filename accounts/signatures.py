"""What a token's shape, header and signature prove: that this deployment signed its payload.

simplejwt's ``TokenBackend`` prepares the secret and signs, PyJWT's algorithm checks the signature.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from django.conf import settings
from jwt import PyJWS
from jwt.algorithms import Algorithm
from rest_framework_simplejwt.backends import TokenBackend

TOKEN_CHARACTERS_MAX = 4096
_SHAPE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
_IMPOSSIBLE_TAIL = 1  # base64 text of 4n + 1 characters encodes nothing

Code = Literal["AUTH_MALFORMED", "AUTH_INVALID"]
Reason = Literal["length", "shape", "header", "signature", "time", "type", "user", "claim", "family"]


class TokenRefused(Exception):
    """A token that proves nothing; carries a ``code`` for clients and a ``reason`` for metrics, never token text."""

    def __init__(self, code: Code, reason: Reason) -> None:
        super().__init__(code)
        self.code: Code = code
        self.reason: Reason = reason


def signed_claims(raw: str) -> Mapping[str, object]:
    """Return the payload once header and signature hold, judging of its claims what PyJWT judges of any: ``sub`` and ``jti``.

    PyJWT's own way in reads header and secret anew for each token, which costs more than all that is done here.
    Raises ``TokenRefused``: AUTH_MALFORMED for shape and length, AUTH_INVALID for everything else.
    """
    _check_shape(raw)
    header_text, payload_text, signature_text = raw.split(".")
    header = _object(_decoded(header_text, "header"), "header")
    if header.get("alg") != settings.JWT_ALGORITHM or "crit" in header or header.get("b64") is False:
        raise TokenRefused("AUTH_INVALID", "header")
    if not isinstance(header.get("kid", ""), str):
        raise TokenRefused("AUTH_INVALID", "header")
    algorithm, key = _verifier(settings.JWT_ALGORITHM, settings.JWT_SECRET_KEY)
    signed = f"{header_text}.{payload_text}".encode("ascii")
    if not algorithm.verify(signed, key, _decoded(signature_text, "signature")):
        raise TokenRefused("AUTH_INVALID", "signature")
    claims = _object(_decoded(payload_text, "signature"), "signature")
    if not all(isinstance(claims.get(name, ""), str) for name in ("sub", "jti")):
        raise TokenRefused("AUTH_INVALID", "claim")
    return claims


def _check_shape(raw: str) -> None:
    if len(raw) > TOKEN_CHARACTERS_MAX:
        raise TokenRefused("AUTH_MALFORMED", "length")
    if not _SHAPE.fullmatch(raw) or any(len(part) % 4 == _IMPOSSIBLE_TAIL for part in raw.split(".")):
        raise TokenRefused("AUTH_MALFORMED", "shape")


def _object(text: bytes, reason: Reason) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise TokenRefused("AUTH_INVALID", reason) from None  # the cause quotes the token
    if not isinstance(found, dict):
        raise TokenRefused("AUTH_INVALID", reason)
    return found


@lru_cache(maxsize=4)
def _verifier(
    name: str, secret: str
) -> tuple[Algorithm, Any]:  # Any: whatever the algorithm makes of a secret
    """Return PyJWT's implementation of an algorithm, and the secret as simplejwt prepares it for that."""
    return PyJWS().get_algorithm_by_name(name), backend(name, secret).prepared_signing_key


@lru_cache(maxsize=4)
def backend(algorithm: str, secret: str) -> TokenBackend:
    """Return simplejwt's signer, which prepares the secret once."""
    return TokenBackend(algorithm, signing_key=secret)


def _decoded(part: str, reason: Reason) -> bytes:
    """Return the bytes of one part, which has one spelling: spare bits that are set would make a second one."""
    decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != part.encode("ascii"):
        raise TokenRefused("AUTH_INVALID", reason)
    return decoded
