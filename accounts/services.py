"""Writes of users, and the decision whether a password is right."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.core.management.color import no_style
from django.db import IntegrityError, connections, router, transaction
from django.utils import timezone

from accounts import evenness, metrics
from accounts.attempts import TooManyAttempts, attempt
from accounts.models import Ownership, User
from accounts.security_log import login_refused
from accounts.selectors import user_by_mail

FIRST_USER_ID = 1  # clients of the replaced system take the administrator for user 1
GENERATED_PASSWORD_BYTES = 18
HASHES_AT_ONCE = 4
"""Passwords that one worker looks at together: each takes 100 MiB, and whoever asks has proved nothing yet."""
PLACE_WAIT_S = 5.0
_places = threading.BoundedSemaphore(HASHES_AT_ONCE)


@dataclass(frozen=True, slots=True)
class BootstrapOutcome:
    """``generated_password`` is set only when this call made one up; it is stored nowhere else in clear."""

    mail: str
    created: bool
    generated_password: str | None = None


def authenticate_by_password(mail: str, password: str, address: str | None = None) -> User | None:
    """Return the active user whom ``mail`` and ``password`` prove; None for every other pair alike.

    Every failure costs the same hashes, so that time tells nothing. A hash of an older kind is replaced by the way.
    ``address`` is the client's, whose failures are counted besides the account's. Raises: TooManyAttempts.
    """
    try:
        with attempt(mail, address) as tried, _hashing_place():
            user = _proven(mail, password)
            tried.succeeded = user is not None
    except TooManyAttempts:
        metrics.LOGINS.labels("throttled").inc()
        login_refused(mail, address, "throttled")
        raise
    if user is None:
        login_refused(mail, address, "not proven")
    metrics.LOGINS.labels("refused" if user is None else "accepted").inc()
    return user


@contextmanager
def _hashing_place() -> Iterator[None]:
    """Wait for one of ``HASHES_AT_ONCE`` places. Raises: TooManyAttempts when none is free in time."""
    if not _places.acquire(timeout=PLACE_WAIT_S):
        raise TooManyAttempts(1)
    try:
        yield
    finally:
        _places.release()


def _proven(mail: str, password: str) -> User | None:
    user = user_by_mail(mail)
    if user is None:
        spent = evenness.preferred_kind()
        make_password(password)
    else:
        spent = evenness.kind_of(user.password)
        if user.check_password(password) and user.is_active:
            return user
    evenness.spend_the_rest(password, spent)
    return None


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


class MailTaken(Exception):
    """Another user has the mail."""


def create_user(mail: str, password: str | None = None, **fields: object) -> User:
    """Return a new user. Raises: MailTaken."""
    try:
        with transaction.atomic():
            return User.objects.create_user(mail, password, **fields)
    except IntegrityError:
        raise MailTaken from None


class NoSuchUser(Exception):
    """What was to be theirs can be nobody's."""


class OwnedByAnother(Exception):
    """One owner each: it must be taken from the other first."""


@dataclass(frozen=True, slots=True)
class Granted:
    """An ownership, and whether it is new."""

    ownership: Ownership
    created: bool


def grant(uid: int, kind: str, identifier: str) -> Granted:
    """Return the ownership, new or as it was. Raises: NoSuchUser, OwnedByAnother."""
    if not User.objects.filter(pk=uid).exists():
        raise NoSuchUser
    try:
        with transaction.atomic():
            ownership, created = Ownership.objects.get_or_create(
                kind=kind, identifier=identifier, defaults={"user_id": uid}
            )
    except IntegrityError:  # the user is gone since
        raise NoSuchUser from None
    if ownership.user_id != uid:
        raise OwnedByAnother
    return Granted(ownership, created)


def revoke(ownership: Ownership) -> None:
    """Take an account or bot from its owner; open sockets that showed it are closed."""
    ownership.delete()
