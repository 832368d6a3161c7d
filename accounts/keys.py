"""API keys: made once, stored hashed, and asked for by the key itself."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import ApiKey, User

PREFIX = "fullon_ak_"
KEY_BYTES = 32
KEY_CHARACTERS_MIN = 10
KEY_CHARACTERS_MAX = 512
KEYS_MAX = 1_000
"""Keys of one user, ended ones included: whoever makes one per run of a program would fill the table."""
USE_NOTED_EVERY = timedelta(minutes=1)
_TOKEN = re.compile(r"eyJ[^.]*\..*", re.DOTALL)
"""How a JWT begins, and no key does: it is sent as one by mistake, or to try its luck."""
_HINT_CHARACTERS = 4
"""Of the random part: enough to tell one's keys apart, too few to help a guess."""


class TooManyKeys(Exception):
    """The user has ``KEYS_MAX`` keys."""


@dataclass(frozen=True, slots=True)
class KeyClaims:
    """What a good key says; ``expires_at`` in Unix seconds, None: never; no ``scopes`` means all that its owner may."""

    key_id: int
    user_id: int
    expires_at: float | None
    scopes: frozenset[str] = frozenset()

    def allows(self, scope: str) -> bool:
        """Return whether the key may be used for ``scope``."""
        return not self.scopes or scope in self.scopes

    def may_grant(self, scopes: frozenset[str]) -> bool:
        """Return whether the key may pass ``scopes`` on (none: all that its owner may): never more than it has."""
        return not self.scopes or (bool(scopes) and scopes <= self.scopes)


def digest_of(raw: str) -> str:
    """Return what a key is stored and found by."""
    return hashlib.sha256(raw.encode(errors="surrogatepass")).hexdigest()


def hint_of(raw: str) -> str:
    """Return the beginning of a key that may be shown."""
    return raw[: (len(PREFIX) if raw.startswith(PREFIX) else 0) + _HINT_CHARACTERS]


def create_key(
    user: User, *, name: str = "", description: str = "", scopes: str = "", expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Return a new key's record and the key itself, which nobody can read again. Raises: TooManyKeys. Two queries."""
    if ApiKey.objects.filter(user=user).count() >= KEYS_MAX:
        raise TooManyKeys
    record = ApiKey(user=user, name=name, description=description, scopes=scopes, expires_at=expires_at)
    raw = new_key(record)
    record.save()
    return record, raw


def new_key(record: ApiKey) -> str:
    """Return a new key, known to ``record`` by its hash."""
    raw = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    record.digest, record.hint = digest_of(raw), hint_of(raw)
    return raw


def deactivate(keys: Collection[ApiKey]) -> None:
    """End keys; each is saved by itself, so that every worker hears of it."""
    for key in keys:
        key.is_active = False
        key.save(update_fields=["is_active"])


def key_claims(raw: str) -> KeyClaims | None:
    """Return what the key ``raw`` says; None for every other text. One query for what could be a key, none otherwise."""
    if not KEY_CHARACTERS_MIN <= len(raw) <= KEY_CHARACTERS_MAX or _TOKEN.fullmatch(raw):
        return None
    key = _good().filter(digest=digest_of(raw)).first()
    if key is None:
        return None
    _note_use(key)
    return KeyClaims(
        key.pk,
        key.user_id,
        None if key.expires_at is None else key.expires_at.timestamp(),
        frozenset(key.scopes.split(",")) - {""},
    )


def good_keys(key_ids: Collection[int]) -> frozenset[int]:
    """Return those of ``key_ids`` that still open something. One query."""
    return frozenset(_good().filter(pk__in=key_ids).values_list("pk", flat=True))


def _good() -> QuerySet[ApiKey]:
    alive = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ApiKey.objects.filter(alive, is_active=True, user__is_active=True)


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at <= now - USE_NOTED_EVERY:
        # Past the signals: the use of a key is no news to anybody.
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
