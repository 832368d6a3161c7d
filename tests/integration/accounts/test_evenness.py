"""A failed login takes the same work for an unknown user, a wrong password and an imported hash."""

from __future__ import annotations

import statistics
import time

import bcrypt
import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import evenness
from accounts.hashers import stored_form
from accounts.models import User
from accounts.services import authenticate_by_password

ROUNDS = 9
"""Of bcrypt: some 30 ms, against which the quick argon2 of the tests is nothing."""
TRIES = 9
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_samples(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(evenness, "_sampled", None)
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 1_000_000


def imported_user() -> None:
    bare = bcrypt.hashpw(b"their password", bcrypt.gensalt(ROUNDS)).decode()
    User.objects.create(mail="old@fullon", password=stored_form(bare))


def median_cpu_s(mail: str, password: str) -> float:
    """Return what a failed login costs this thread: CPU time, which other programs do not stretch."""
    spent = []
    for _ in range(TRIES):
        started = time.thread_time()
        assert authenticate_by_password(mail, password) is None
        spent.append(time.thread_time() - started)
    return statistics.median(spent)


def test_no_kind_of_failure_can_be_told_by_its_work() -> None:
    imported_user()
    User.objects.create_user("new@fullon", "her password")
    User.objects.create_user("gone@fullon", "her password", is_active=False)
    User.objects.create_user("keyonly@fullon")
    authenticate_by_password("nobody@fullon", "wrong")  # the first looks at what kinds there are
    costs = {
        mail: median_cpu_s(mail, password)
        for mail, password in [
            ("nobody@fullon", "wrong"),
            ("old@fullon", "wrong"),
            ("new@fullon", "wrong"),
            ("gone@fullon", "her password"),
            ("keyonly@fullon", "wrong"),
        ]
    }
    assert max(costs.values()) < 1.25 * min(costs.values()), costs


def test_without_imported_users_nothing_is_added() -> None:
    started = time.thread_time()
    authenticate_by_password("nobody@fullon", "wrong")
    without = time.thread_time() - started
    imported_user()
    evenness._sampled = None
    assert median_cpu_s("nobody@fullon", "wrong") > 2 * without


def test_which_kinds_are_in_use_is_asked_once_a_minute(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1 + 3):
        authenticate_by_password("nobody@fullon", "wrong")
    with django_assert_num_queries(1):
        authenticate_by_password("nobody@fullon", "wrong")


def test_the_costliest_hash_of_a_kind_is_the_measure() -> None:
    imported_user()
    bare = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    User.objects.create(mail="older@fullon", password=stored_form(bare))
    assert f"$2b${ROUNDS:02}$" in evenness._read_samples()["bcrypt_bare"]
