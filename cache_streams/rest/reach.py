"""Which keys of a stream a caller reaches, by the one policy, and how requests name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request

from accounts.identity import Rights
from cache_streams.agents.rights import RECENT
from cache_streams.permissions import may_see, sees_all, visible
from cache_streams.protocol.groups import NameTooLong, group_name
from cache_streams.protocol.native.keys import ACCOUNT, NAME_CHARACTERS_LIMIT, OWNER, request_fields
from cache_streams.streams.declaration import Audience, Key, Stream

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_OWNER = re.compile(r"(?:account|bot|user):.+|staff")
"""An owner as snapshots name it; a bare text is an account."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The keys that begin like one of ``beginnings``; only those of them that ``filtered`` asks for one by one."""

    beginnings: tuple[Key, ...]
    filtered: bool = False


def rights_of(request: Request) -> Rights:
    """Return what the caller may see, at most a second old. Raises: ``PermissionDenied`` for who is gone meanwhile."""
    caller = None if request.user.pk is None else RECENT.caller(request.user.pk)
    if caller is None:
        raise PermissionDenied
    return caller.rights


def key_of(stream: Stream, parts: Mapping[str, str]) -> Key:
    """Return the key, or the beginning of one, that a path names. Raises: ``NotFound`` for what no key can be called."""
    key = []
    for field, asked in zip(stream.key_fields, request_fields(stream), strict=True):
        if asked not in parts:
            break
        text = parts[asked]
        if not 1 <= len(text) <= NAME_CHARACTERS_LIMIT or _CONTROL.search(text):
            raise NotFound
        bare = field == OWNER and not _OWNER.fullmatch(text)
        key.append(f"{ACCOUNT}:{text}" if bare else text)
    try:
        group_name(stream.name, tuple(key))
    except NameTooLong:
        raise NotFound from None
    return tuple(key)


def demand_audience(stream: Stream, rights: Rights) -> None:
    """Raise ``PermissionDenied`` when nothing of the stream, whatever its key, is for this caller."""
    if stream.audience is Audience.STAFF and not sees_all(stream, rights):
        raise PermissionDenied("This stream is for staff.")


def demand_key(stream: Stream, key: Key, rights: Rights) -> None:
    """Raise ``NotFound`` when the key is not the caller's to read, whether it exists or not."""
    demand_audience(stream, rights)
    if not may_see(stream, key, rights):
        raise NotFound


def reach(stream: Stream, under: Key, rights: Rights) -> Reach:
    """Return what of the keys that begin with ``under`` the caller may see."""
    demand_audience(stream, rights)
    seen = visible(stream, under, rights)
    if seen or stream.owner is None:
        return Reach(tuple(seen))
    # A field before the owner is open: the policy can name nothing that is theirs, but it can say of each key.
    return Reach((under,), filtered=True) if len(under) < stream.key_fields.index(stream.owner) else Reach(())
