"""Who may do what with agent runs: roles from the database, narrowed by what a token claims."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import get_user_model

USERS_GROUP = "agent_users"
PRODUCERS_GROUP = "agent_producers"
GROUPS = (USERS_GROUP, PRODUCERS_GROUP)

_PERMISSIONS = {
    "viewer": frozenset({"read"}),
    "user": frozenset({"agent_execute", "read", "write"}),
    "admin": frozenset({"admin", "agent_execute", "read", "write"}),
    "producer": frozenset({"publish_any"}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody known, with what they may do here and now."""

    user_id: int
    roles: tuple[str, ...]
    permissions: frozenset[str]

    def may(self, permission: str) -> bool:
        """Return whether the caller has ``permission``."""
        return permission in self.permissions

    def context(self) -> dict[str, list[str]]:
        """Return the role context as welcome and ``agent_started`` show it."""
        return {"roles": list(self.roles), "permissions": sorted(self.permissions)}


def caller_of(user_id: int, claimed: Collection[str] | None = None) -> Caller | None:
    """Return an active user with their rights, None if there is none. One query.

    ``claimed`` is the ``permissions`` claim of a token: it can take rights away, never add any.
    """
    users = get_user_model().objects.filter(pk=user_id, is_active=True)
    rows = list(users.values_list("is_staff", "groups__name"))
    if not rows:
        return None
    groups = {group for _, group in rows}
    return _caller(user_id, is_staff=rows[0][0], groups=groups, claimed=claimed)


def _caller(
    user_id: int, *, is_staff: bool, groups: Collection[str | None], claimed: Collection[str] | None
) -> Caller:
    roles = [
        role
        for role, held in (
            ("admin", is_staff),
            ("user", USERS_GROUP in groups),
            ("producer", PRODUCERS_GROUP in groups),
        )
        if held
    ] or [settings.AGENTS_DEFAULT_ROLE]
    permissions = frozenset().union(*(_PERMISSIONS[role] for role in roles))
    if claimed is not None:
        permissions &= frozenset(claimed)
    return Caller(user_id, tuple(roles), permissions)
