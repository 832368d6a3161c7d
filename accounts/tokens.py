"""Access tokens: one function verifies them for sockets and REST alike, one issues them.

simplejwt's token classes cannot do it: ``AccessToken`` refuses tokens without ``jti`` and type, which other services of
a deployment sign with the shared secret, and ``UntypedToken`` accepts refresh tokens. Its ``TokenBackend`` prepares the
secret and signs, PyJWT's algorithm checks the signature; every rule about header and claims is here, so that it can be
read, and tested with a clock of the test's own.
"""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from django.conf import settings
from jwt import PyJWS
from jwt.algorithms import Algorithm
from rest_framework_simplejwt.backends import TokenBackend

if TYPE_CHECKING:
    from accounts.models import User

TOKEN_CHARACTERS_MAX = 4096
CLOCK_SKEW_S = 30.0
FOREIGN_LIFETIME_S = 86_400.0
USER_ID_MAX = 2**63 - 1
_SHAPE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
_DIGITS = re.compile(r"[0-9]{1,19}")
_IMPOSSIBLE_TAIL = 1  # base64 text of 4n + 1 characters encodes nothing

Code = Literal["AUTH_MALFORMED", "AUTH_INVALID"]
Reason = Literal["length", "shape", "header", "signature", "time", "type", "user", "claim", "family"]


class TokenRefused(Exception):
    """A token that proves nothing; carries a ``code`` for clients and a ``reason`` for metrics, never token text."""

    def __init__(self, code: Code, reason: Reason) -> None:
        super().__init__(code)
        self.code: Code = code
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified token says; ``expires_at`` in Unix seconds. The user may since have gone: ask the selectors."""

    user_id: int
    expires_at: float
    jti: str | None = None
    username: str | None = None
    email: str | None = None
    issued_at: float | None = None
    family: str | None = None
    permissions: tuple[str, ...] | None = None
    """The most that the bearer may do, None: all that the user may. It can take rights away, never add any."""

    @property
    def revocable_ids(self) -> tuple[str, ...]:
        """What a revocation may name: the token, and the family that it was issued in."""
        return tuple(name for name in (self.jti, self.family) if name)


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a verified refresh token says; whether it was used before is known to its family alone."""

    user_id: int
    expires_at: float
    issued_at: float
    jti: str
    family: str


def verify_access_token(raw: str, now: float | None = None) -> AccessClaims:
    """Return the claims of ``raw``, judged at ``now`` (Unix seconds, default: the clock).

    Raises ``TokenRefused``: AUTH_MALFORMED for shape and length, AUTH_INVALID for everything else.
    """
    claims, expires_at = _verified(raw, now)
    if claims.get("token_type", "access") != "access":
        raise TokenRefused("AUTH_INVALID", "type")
    session = claims.get("sid")  # other services may mean something else by it
    return AccessClaims(
        user_id=_user_id(claims.get("user_id")),
        expires_at=expires_at,
        jti=_optional_text(claims, "jti"),
        username=_optional_text(claims, "username"),
        email=_optional_text(claims, "email"),
        issued_at=_finite(claims.get("iat")),
        family=session if isinstance(session, str) else None,
        permissions=_permissions(claims),
    )


def verify_refresh_token(raw: str, now: float | None = None) -> RefreshClaims:
    """Return the claims of a refresh token of ours, judged as an access token is. Raises ``TokenRefused``."""
    claims, expires_at = _verified(raw, now)
    if claims.get("token_type") != "refresh":
        raise TokenRefused("AUTH_INVALID", "type")
    issued_at, jti = _finite(claims.get("iat")), _optional_text(claims, "jti")
    family = _optional_text(claims, "sid")
    if issued_at is None or jti is None or family is None:
        raise TokenRefused("AUTH_INVALID", "claim")
    return RefreshClaims(_user_id(claims.get("user_id")), expires_at, issued_at, jti, family)


def issued_before(valid_from: float | None, issued_at: float | None, expires_at: float) -> bool:
    """Return whether a token is older than ``valid_from`` (Unix seconds, None: no token is too old).

    Other services sign no ``iat``: theirs count as issued ``FOREIGN_LIFETIME_S`` before they end, the longest that is known.
    """
    if valid_from is None:
        return False
    return (expires_at - FOREIGN_LIFETIME_S if issued_at is None else issued_at) < valid_from


def issue_access_token(user: User, minutes: int | None = None, *, family: str | None = None) -> str:
    """Return a token for ``user`` that lives ``minutes`` (default ``JWT_EXPIRATION_MINUTES``); ``family`` can revoke it."""
    issued_at = _now()
    lifetime_s = 60 * (settings.JWT_EXPIRATION_MINUTES if minutes is None else minutes)
    claims: dict[str, object] = {
        "sub": user.mail,
        "user_id": user.pk,
        "username": user.mail,
        "email": user.mail,
        "exp": int(issued_at) + lifetime_s,
        "iat": issued_at,
        "jti": uuid.uuid4().hex,
        "token_type": "access",
    }
    if family is not None:
        claims["sid"] = family
    return _backend(settings.JWT_ALGORITHM, settings.JWT_SECRET_KEY).encode(claims)


def issue_refresh_token(user: User, *, family: str, jti: str, expires_at: float) -> str:
    """Return a refresh token, which opens nothing and is good for one new pair of tokens."""
    return _backend(settings.JWT_ALGORITHM, settings.JWT_SECRET_KEY).encode(
        {
            "sub": user.mail,
            "user_id": user.pk,
            "exp": int(expires_at),
            "iat": _now(),
            "jti": jti,
            "sid": family,
            "token_type": "refresh",
        }
    )


def _now() -> float:
    return round(time.time(), 6)  # a new password and the next token may share a millisecond


def _verified(raw: str, now: float | None) -> tuple[Mapping[str, object], float]:
    """Return the payload of any token of this deployment, and its end."""
    _check_shape(raw)
    claims = _signed_claims(raw)
    return claims, _check_times(claims, time.time() if now is None else now)


def _check_shape(raw: str) -> None:
    if len(raw) > TOKEN_CHARACTERS_MAX:
        raise TokenRefused("AUTH_MALFORMED", "length")
    if not _SHAPE.fullmatch(raw) or any(len(part) % 4 == _IMPOSSIBLE_TAIL for part in raw.split(".")):
        raise TokenRefused("AUTH_MALFORMED", "shape")


def _signed_claims(raw: str) -> Mapping[str, object]:
    """Return the payload once header and signature hold, judging of its claims what PyJWT judges of any: ``sub`` and ``jti``.

    PyJWT's own way in reads header and secret anew for each token, which costs more than all that is done here.
    """
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
    return PyJWS().get_algorithm_by_name(name), _backend(name, secret).prepared_signing_key


@lru_cache(maxsize=4)
def _backend(algorithm: str, secret: str) -> TokenBackend:
    return TokenBackend(algorithm, signing_key=secret)


def _decoded(part: str, reason: Reason) -> bytes:
    """Return the bytes of one part, which has one spelling: spare bits that are set would make a second one."""
    decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != part.encode("ascii"):
        raise TokenRefused("AUTH_INVALID", reason)
    return decoded


def _check_times(claims: Mapping[str, object], now: float) -> float:
    expires_at = _finite(claims.get("exp"))
    if expires_at is None or expires_at <= now:
        raise TokenRefused("AUTH_INVALID", "time")
    for name in ("iat", "nbf"):
        if name in claims:
            moment = _finite(claims[name])
            if moment is None or moment > now + CLOCK_SKEW_S:
                raise TokenRefused("AUTH_INVALID", "time")
    return expires_at


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def _user_id(value: object) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= USER_ID_MAX:
        raise TokenRefused("AUTH_INVALID", "user")
    return value


def _permissions(claims: Mapping[str, object]) -> tuple[str, ...] | None:
    """Return the claim ``permissions``; one of another shape than a list allows nothing."""
    if "permissions" not in claims:
        return None
    claimed = claims["permissions"]
    return tuple(name for name in claimed if isinstance(name, str)) if isinstance(claimed, list) else ()


def _optional_text(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise TokenRefused("AUTH_INVALID", "claim")
    return value
