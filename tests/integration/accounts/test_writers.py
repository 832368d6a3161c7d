"""Many who write to the database at once: nobody is told that it is locked."""

from __future__ import annotations

import threading

import pytest
from django.db import connections, transaction

from accounts import families, keys
from accounts.models import ApiKey, Ownership, TokenFamily, User

WRITERS = 6
ROUNDS = 40
pytestmark = pytest.mark.django_db(transaction=True)


def write(user: User, start: threading.Barrier, failures: list[Exception]) -> None:
    """Log in, make a key, end both, and change a row after reading it: transactions that begin with a look."""
    start.wait()
    try:
        for number in range(ROUNDS):
            pair = families.start_family(user)
            families.rotate(pair.refresh)
            record, _ = keys.create_key(user, name=str(number))
            with transaction.atomic():
                held = Ownership.objects.filter(user=user).count()
                Ownership.objects.create(user=user, kind="bot", identifier=f"{user.pk}-{held}")
            keys.deactivate([record])
    except Exception as error:  # noqa: BLE001  # whatever it is, the test shows it
        failures.append(error)
    finally:
        connections.close_all()


def test_six_writers_at_once_are_never_told_that_the_database_is_locked() -> None:
    users = [User.objects.create_user(f"writer{number}@fullon") for number in range(WRITERS)]
    failures: list[Exception] = []
    start = threading.Barrier(WRITERS)
    threads = [threading.Thread(target=write, args=(user, start, failures)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert failures == []
    for model in (TokenFamily, ApiKey, Ownership):
        assert model._default_manager.count() == WRITERS * ROUNDS
