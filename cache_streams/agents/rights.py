"""Who may do what with agent runs: permissions from the database, narrowed by what a token claims."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings

from accounts.identity import Identity, Rights
from accounts.selectors import identity_of

RECENT_S = 1.0
RECENT_USERS = 10_000
_PERMISSIONS = {
    "viewer": frozenset({"read"}),
    "user": frozenset({"agent_execute", "read", "write"}),
    "admin": frozenset({"admin", "agent_execute", "read", "write"}),
}
_HELD = frozenset({"agent_execute", "publish_any", "read", "write"})
"""Permissions of accounts that mean something here."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody known, with what they may do here and now; ``rights`` say what they may see of the cache."""

    user_id: int
    roles: tuple[str, ...]
    permissions: frozenset[str]
    rights: Rights

    def may(self, permission: str) -> bool:
        """Return whether the caller has ``permission``."""
        return permission in self.permissions

    def context(self) -> dict[str, list[str]]:
        """Return the role context as welcome and ``agent_started`` show it."""
        return {"roles": list(self.roles), "permissions": sorted(self.permissions)}


class RecentIdentities:
    """Users as the database had them within the last second, so that a busy producer does not ask for each event."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[float, Identity | None]] = OrderedDict()
        self._lock = threading.Lock()

    def caller(self, user_id: int, claimed: Collection[str] | None = None) -> Caller | None:
        """Return what ``caller_of`` returned up to a second ago."""
        known = self._known.get(user_id)
        if known is None or known[0] < time.monotonic() - RECENT_S:
            known = (time.monotonic(), identity_of(user_id))
            with self._lock:
                self._known[user_id] = known
                self._known.move_to_end(user_id)
                if len(self._known) > RECENT_USERS:
                    self._known.popitem(last=False)
        return _active(known[1], claimed)

    def forget(self) -> None:
        """Ask the database again for everybody."""
        with self._lock:
            self._known.clear()


RECENT = RecentIdentities()
"""Those of this process."""


def caller_of(user_id: int, claimed: Collection[str] | None = None) -> Caller | None:
    """Return an active user with their rights, None if there is none; as ``caller_from``."""
    return _active(identity_of(user_id), claimed)


def caller_from(identity: Identity, claimed: Collection[str] | None = None) -> Caller:
    """Return what a user may do with agent runs.

    ``claimed`` is the ``permissions`` claim of a token: it can take rights away, never add any. Administrators are no
    producers: they run their own agents, whatever permissions come with being one.
    """
    roles, permissions = _of_staff() if identity.is_staff else _of_user(identity.permissions & _HELD)
    if claimed is not None:
        permissions &= frozenset(claimed)
    return Caller(identity.user_id, roles, permissions, identity.rights)


def _active(identity: Identity | None, claimed: Collection[str] | None) -> Caller | None:
    return None if identity is None or not identity.is_active else caller_from(identity, claimed)


def _of_staff() -> tuple[tuple[str, ...], frozenset[str]]:
    return ("admin",), _PERMISSIONS["admin"]


def _of_user(held: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    named = (("user", "agent_execute" in held), ("producer", "publish_any" in held))
    roles = tuple(role for role, is_one in named if is_one)
    if not roles:
        role: str = settings.AGENTS_DEFAULT_ROLE
        return (role,), held | _PERMISSIONS[role]
    return roles, held | (_PERMISSIONS["user"] if "user" in roles else frozenset())
