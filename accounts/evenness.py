"""A failed login costs the same work whoever it was meant for, so that its time does not tell who exists.

Users of the replaced system have hashes of another kind until they log in. Django evens out nothing across kinds: a wrong
password would cost one such hash, an unknown user one of the preferred kind.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.contrib.auth.hashers import get_hasher, get_hashers, identify_hasher, make_password

from accounts.models import User

SAMPLED_EVERY_S = 60.0

_sampled: tuple[float, tuple[str, ...], dict[str, str]] | None = None
"""When, of which kinds, and a hash of each kind that is in use, by algorithm."""


def kind_of(encoded: str) -> str:
    """Return the algorithm that checking a password against ``encoded`` runs; the preferred one where it is none."""
    try:
        return str(identify_hasher(encoded).algorithm)
    except ValueError:  # no usable password: Django then runs the preferred one
        return preferred_kind()


def preferred_kind() -> str:
    """Return the algorithm of new hashes."""
    return str(get_hasher().algorithm)


def spend_the_rest(password: str, spent: str) -> None:
    """Run every other kind of hash that is in use than ``spent``. Three small queries a minute at most."""
    for algorithm, encoded in _samples().items():
        if algorithm != spent:
            get_hasher(algorithm).verify(password, encoded)


def _samples() -> dict[str, str]:
    global _sampled  # noqa: PLW0603  # one answer of the database, kept for a minute
    now, kinds = time.monotonic(), tuple(settings.PASSWORD_HASHERS)
    if _sampled is None or _sampled[0] < now - SAMPLED_EVERY_S or _sampled[1] != kinds:
        _sampled = (now, kinds, _read_samples())
    return _sampled[2]


def _read_samples() -> dict[str, str]:
    preferred = preferred_kind()
    found = {preferred: make_password("")}
    for hasher in get_hashers():
        algorithm = str(hasher.algorithm)
        if algorithm != preferred:
            # The highest in order of text is the costliest: of one kind, hashes differ in their rounds first.
            stored = User.objects.filter(password__startswith=f"{algorithm}$").order_by("-password")
            encoded = stored.values_list("password", flat=True).first()
            if encoded is not None:
                found[algorithm] = encoded
    return found
