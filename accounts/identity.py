"""Who a verified credential belongs to, detached from the ORM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as the sockets know one; safe to keep and to pass between threads."""

    user_id: int
    mail: str
    name: str
    is_staff: bool
    is_active: bool
