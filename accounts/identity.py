"""Who a verified credential belongs to and what they may see, detached from the ORM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may see and do: what is theirs by its ids, and the gateway's own permissions by codename.

    ``is_staff`` also for those who hold ``read_everything``.
    """

    user_id: int
    is_staff: bool = False
    accounts: frozenset[str] = frozenset()
    bots: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as the sockets know one; safe to keep and to pass between threads.

    ``tokens_valid_from``: tokens issued before (Unix seconds) are refused.
    """

    user_id: int
    mail: str
    name: str
    is_staff: bool
    is_active: bool
    accounts: frozenset[str] = frozenset()
    bots: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    tokens_valid_from: float | None = None

    @property
    def rights(self) -> Rights:
        """What the user may see and do."""
        return Rights(self.user_id, self.is_staff, self.accounts, self.bots, self.permissions)
