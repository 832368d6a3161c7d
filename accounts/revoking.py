"""Ending the credentials that opened a socket, whatever they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from accounts.families import end_family, revoke
from accounts.keys import deactivate
from accounts.models import ApiKey

Named = tuple[str | None, str | None, float]
"""A token by its jti, its family, and its end in Unix seconds."""


def revoke_credentials(user_id: int, tokens: Iterable[Named], key_ids: Collection[int]) -> list[str]:
    """End tokens, with the logins that they come from, and keys; return what was ended, in words.

    A token that names neither itself nor a login cannot be ended alone: all tokens of its user can.
    """
    ended: list[str] = []
    for jti, family, expires_at in tokens:
        if family is not None:
            end_family(family, user_id)
            ended.append("login")
        if jti is not None:
            revoke(jti, user_id, expires_at)
            ended.append("token")
    keys = list(ApiKey.objects.filter(pk__in=key_ids, is_active=True))
    deactivate(keys)
    return ended + [f"key {key}" for key in keys]
