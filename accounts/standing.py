"""Whether credentials that opened something still hold, asked for many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.utils import timezone

from accounts.identity import Identity
from accounts.keys import good_keys
from accounts.models import RevokedToken
from accounts.selectors import identities_of, stored_jti


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now of what was asked: users that exist (also inactive ones), revoked tokens, good keys."""

    identities: Mapping[int, Identity]
    revoked: frozenset[str]
    keys: frozenset[int]


def standing_of(
    user_ids: Collection[int], token_ids: Collection[str] = (), key_ids: Collection[int] = ()
) -> Standing:
    """Return what holds of users, tokens (by jti or family) and keys. At most five queries, however many they are.

    Raises ``django.db.OperationalError`` when the database is away.
    """
    return Standing(
        identities_of(user_ids),
        revoked_among(token_ids) if token_ids else frozenset(),
        good_keys(key_ids) if key_ids else frozenset(),
    )


def revoked_among(token_ids: Collection[str]) -> frozenset[str]:
    """Return those of ``token_ids`` (jti or family) that were revoked. One query."""
    asked = {stored_jti(name): name for name in token_ids}
    revoked = RevokedToken.objects.filter(jti__in=asked).values_list("jti", flat=True)
    return frozenset(asked[jti] for jti in revoked)


def revocations(most: int) -> frozenset[str] | None:
    """Return all revocations of tokens that have not ended by themselves, as stored; None if they are more than ``most``.

    One query.
    """
    live = RevokedToken.objects.filter(expires_at__gt=timezone.now()).order_by()
    stored = list(live.values_list("jti", flat=True)[: most + 1])
    return None if len(stored) > most else frozenset(stored)
