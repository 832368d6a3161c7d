"""Tokens that prove nothing, and some that do: one table for every carrier."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable

GHOST = 987_654_321
MALFORMED, INVALID = "AUTH_MALFORMED", "AUTH_INVALID"
OTHER_SECRET = "0123456789abcdef0123456789abcdef"
_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def _part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(
    secret: str, *, header: dict[str, object] | None = None, raw: str | None = None, **claims: object
) -> str:
    """Return a signed token of user 1; ``header`` and ``claims`` replace members, None removes one.

    ``raw`` is the whole payload, for what ``json.dumps`` cannot say.
    """
    head = {"alg": "HS256", "typ": "JWT", **(header or {})}
    said = {"sub": "1", "user_id": 1, "exp": int(time.time()) + 600, **claims}
    payload = raw if raw is not None else json.dumps({k: v for k, v in said.items() if v is not None})
    signed = f"{_part(json.dumps(head).encode())}.{_part(payload.encode())}"
    digest = _DIGESTS.get(str(head["alg"]), hashlib.sha256)
    return f"{signed}.{_part(hmac.new(secret.encode(), signed.encode(), digest).digest())}"


def _with_spare_bits(good: str) -> str:
    """Return ``good`` with another last character that decodes to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return good[:-1] + alphabet[alphabet.index(good[-1]) + 1]


def _raw(user_id: str = "1", exp: str = "9999999999", more: str = "") -> str:
    return f'{{"sub": "1", "user_id": {user_id}, "exp": {exp}{more}}}'


REFUSED: dict[str, tuple[Callable[[str], str], str]] = {
    "no algorithm": (lambda s: token(s, header={"alg": "none"}), INVALID),
    "no algorithm, no signature": (
        lambda s: token(s, header={"alg": "none"}).rpartition(".")[0] + ".",
        MALFORMED,
    ),
    "wrong key": (lambda s: token(OTHER_SECRET), INVALID),
    "HS384": (lambda s: token(s, header={"alg": "HS384"}), INVALID),
    "HS512": (lambda s: token(s, header={"alg": "HS512"}), INVALID),
    "an algorithm of public keys": (lambda s: token(s, header={"alg": "RS256"}), INVALID),
    "signature stripped": (lambda s: token(s).rpartition(".")[0], MALFORMED),
    "signature emptied": (lambda s: token(s).rpartition(".")[0] + ".", MALFORMED),
    "signature cut": (lambda s: token(s)[:-3], INVALID),
    "signature padded": (lambda s: token(s) + "=", MALFORMED),
    "signature spelled otherwise": (lambda s: _with_spare_bits(token(s)), INVALID),
    "refresh as access": (lambda s: token(s, token_type="refresh", jti="j", sid="s"), INVALID),
    "another type": (lambda s: token(s, token_type=["access"]), INVALID),
    "no user": (lambda s: token(s, user_id=None), INVALID),
    "ghost user": (lambda s: token(s, user_id=GHOST), INVALID),
    "list as user": (lambda s: token(s, user_id=[1]), INVALID),
    "text as user": (lambda s: token(s, user_id="admin"), INVALID),
    "truth as user": (lambda s: token(s, user_id=True), INVALID),
    "no end": (lambda s: token(s, exp=None), INVALID),
    "NaN as end": (lambda s: token(s, raw=_raw(exp="NaN")), INVALID),
    "infinity as end": (lambda s: token(s, raw=_raw(exp="Infinity")), INVALID),
    "text as end": (lambda s: token(s, exp="9999999999"), INVALID),
    "ended a second ago": (lambda s: token(s, exp=int(time.time()) - 1), INVALID),
    "not yet valid": (lambda s: token(s, nbf=int(time.time()) + 120), INVALID),
    "issued in the future": (lambda s: token(s, iat=int(time.time()) + 120), INVALID),
    "unknown critical header": (lambda s: token(s, header={"crit": ["exp2"], "exp2": 1}), INVALID),
    "payload that is no object": (lambda s: token(s, raw="[1]"), INVALID),
    "16 KiB": (lambda s: token(s, filler="x" * 12_000), MALFORMED),
}
NEEDS_THE_USER_STORE = {"ghost user"}
"""Well signed and well formed: whether there is such a user only the store can say."""

BELIEVED: dict[str, Callable[[str], str]] = {
    "of another service: no type, no id": token,
    "digits as user": lambda s: token(s, user_id="1"),
    "issued by a clock 25 s ahead": lambda s: token(s, iat=int(time.time()) + 25),
    "valid by a clock 25 s ahead": lambda s: token(s, nbf=int(time.time()) + 25),
    "access": lambda s: token(s, token_type="access"),
}
