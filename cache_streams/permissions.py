"""The policy: which keys of a stream a user may see. Every family, snapshot, query, resume and ``"*"`` asks here.

Private by default: market data is for every user, what has an owner for that owner and staff, the running of the deployment
for staff. ``CACHE_ACCESS=open`` gives everybody everything, for closed deployments. What a user's agents say is for that
user alone, whatever else holds.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from django.conf import settings

from accounts.identity import Rights
from cache_streams.streams.declaration import Audience, Key, Stream

OPEN = "open"


def visible(stream: Stream, under: Key, rights: Rights) -> list[Key]:
    """Return which keys of ``stream`` that begin with ``under`` the user may see, as beginnings of keys; [] for none.

    What is not theirs and what does not exist are told apart nowhere: both are simply not among them.
    """
    if sees_all(stream, rights):
        return [under]
    if stream.audience not in (Audience.OWNER, Audience.SELF) or stream.owner is None:
        return []
    own, place = _own(stream.owner, rights), stream.key_fields.index(stream.owner)
    if place < len(under):
        return [under] if under[place] in own else []
    if place == len(under):
        return [(*under, owner) for owner in sorted(own)]
    return []  # a field before the owner is open: nothing that can be named is surely theirs


def may_see(stream: Stream, key: Key, rights: Rights) -> bool:
    """Return whether the user may see one whole key."""
    return bool(visible(stream, key, rights))


def sees_all(stream: Stream, rights: Rights) -> bool:
    """Return whether nothing of ``stream`` is hidden from the user."""
    if stream.audience is Audience.SELF:
        return False
    return stream.audience is Audience.ANY_USER or settings.CACHE_ACCESS == OPEN or rights.is_staff


def has_lost(before: Rights, now: Rights) -> bool:
    """Return whether something that ``before`` allowed is no longer allowed: a socket opened with it must end."""
    if before.permissions - now.permissions:
        return True
    if settings.CACHE_ACCESS == OPEN:
        return False
    if before.is_staff or now.is_staff:
        return before.is_staff and not now.is_staff
    return not (before.accounts <= now.accounts and before.bots <= now.bots)


@lru_cache(maxsize=4096)  # a query asks for each of its records
def _own(field: str, rights: Rights) -> Collection[str]:
    """Return the values of an owner field that mean the user; a stream names the kind of its owner by the field."""
    if field == "account":
        return rights.accounts
    if field == "bot":
        return rights.bots
    if field == "user":
        return {str(rights.user_id)}
    if field == "owner":  # of any kind, spelled out: streams/orders.py
        accounts = {f"account:{account}" for account in rights.accounts}
        return accounts | {f"bot:{bot}" for bot in rights.bots} | {f"user:{rights.user_id}"}
    raise ValueError(f"streams cannot be owned by {field!r}: use 'account', 'bot', 'user' or 'owner'")
