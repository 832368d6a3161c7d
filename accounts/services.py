"""Writes of users, and the decision whether a password is right."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.contrib.auth import authenticate
from django.core.management.color import no_style
from django.db import IntegrityError, connections, router, transaction
from django.utils import timezone

from accounts.models import User
from accounts.selectors import user_by_mail

FIRST_USER_ID = 1  # clients of the replaced system take the administrator for user 1
GENERATED_PASSWORD_BYTES = 18


@dataclass(frozen=True, slots=True)
class BootstrapOutcome:
    """``generated_password`` is set only when this call made one up; it is stored nowhere else in clear."""

    mail: str
    created: bool
    generated_password: str | None = None


def authenticate_by_password(mail: str, password: str) -> User | None:
    """Return the active user whom ``mail`` and ``password`` prove; None for every other pair alike.

    An unknown mail costs one hash too, so that time tells nothing. A hash of an older kind is replaced by the way.
    """
    user = authenticate(request=None, username=mail.strip().lower(), password=password)
    return user if isinstance(user, User) else None


def bootstrap_admin(mail: str, password: str | None) -> BootstrapOutcome:
    """Make sure that the user ``mail`` exists; a new one is an administrator, and user 1 where there was nobody.

    Without ``password`` one is generated. An existing user is left as it is, also when it is no administrator.
    """
    existing = user_by_mail(mail)
    if existing is not None:
        return BootstrapOutcome(existing.mail, created=False)
    generated = None if password else secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)
    try:
        with transaction.atomic():
            first = {} if User.objects.exists() else {"pk": FIRST_USER_ID}
            user = User.objects.create_superuser(mail, password or generated, **first)
            if first:
                follow_given_ids()
    except IntegrityError:  # another bootstrap was faster
        return BootstrapOutcome(User.objects.get_by_natural_key(mail).mail, created=False)
    return BootstrapOutcome(user.mail, created=True, generated_password=generated)


def ensure_plain_user(mail: str) -> User:
    """Return the user of ``mail``, created active and without a usable password where there was none."""
    try:
        with transaction.atomic():
            return user_by_mail(mail) or User.objects.create_user(mail)
    except IntegrityError:  # created meanwhile
        return User.objects.get_by_natural_key(mail)


def end_tokens(user: User) -> None:
    """Refuse every token that was issued to ``user`` until now; open sockets of them are closed. Keys stay."""
    user.tokens_valid_from = timezone.now()
    user.save(update_fields=["tokens_valid_from"])


def follow_given_ids() -> None:
    """Move the database's sequence past ids that were given by hand; a no-op where it counts by itself."""
    connection = connections[router.db_for_write(User)]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [User]):
            cursor.execute(statement)
