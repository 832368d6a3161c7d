"""Reads of users."""

from __future__ import annotations

from accounts.identity import Identity
from accounts.models import User


def identity_of(user_id: int) -> Identity | None:
    """Return who ``user_id`` is, also when inactive; None when there is no such user. One query.

    Raises ``django.db.OperationalError`` when the database is away.
    """
    row = User.objects.filter(pk=user_id).values_list("mail", "name", "is_staff", "is_active").first()
    return None if row is None else Identity(user_id, *row)


def active_user(user_id: int) -> User | None:
    """Return the active user ``user_id``; None for unknown and inactive ones alike. One query."""
    return User.objects.filter(pk=user_id, is_active=True).first()


def user_by_mail(mail: str) -> User | None:
    """Return the user of ``mail``, whatever its letter case; None when there is none. One query."""
    return User.objects.filter(mail=mail.strip().lower()).first()
