"""Guessing passwords: counted by account and by address, before the password is looked at, whoever asks for the look."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import redis
from django.contrib.auth import aauthenticate, authenticate
from django.db import OperationalError
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts import attempts, metrics, services
from accounts.attempts import TooManyAttempts, attempt
from accounts.models import User
from accounts.services import authenticate_by_password
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.counts import counted

LIMIT, ADDRESS_LIMIT = 3, 5
PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def _limits(fresh_redis: EmbeddedRedis, settings: Settings) -> Iterator[None]:
    settings.LOGIN_ATTEMPTS_PER_MINUTE = LIMIT
    settings.ADDRESS_LOGIN_ATTEMPTS_PER_MINUTE = ADDRESS_LIMIT
    yield
    attempts._shared.cache_clear()


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann@fullon", PASSWORD, is_staff=True)


def fail(account: str, address: str | None = None) -> None:
    with attempt(account, address):
        pass


def succeed(account: str, address: str | None = None) -> None:
    with attempt(account, address) as tried:
        tried.succeeded = True


def test_an_account_is_guarded_whatever_address_the_guesses_come_from() -> None:
    for host in range(LIMIT):
        fail("ann@fullon", f"192.0.2.{host}")
    with pytest.raises(TooManyAttempts) as refused:
        fail(" ANN@fullon", "192.0.2.99")
    assert 1 <= refused.value.wait_s <= 60
    fail("bob@fullon", "192.0.2.99")


def test_an_address_is_bounded_whatever_accounts_it_tries() -> None:
    for number in range(ADDRESS_LIMIT):
        fail(f"user{number}@fullon", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        fail("another@fullon", "192.0.2.1")
    fail("another@fullon", "192.0.2.2")


def test_a_refused_attempt_costs_the_other_count_nothing() -> None:
    for _ in range(LIMIT):
        fail("ann@fullon")
    for _ in range(ADDRESS_LIMIT):
        with pytest.raises(TooManyAttempts):
            fail("ann@fullon", "192.0.2.1")
    fail("bob@fullon", "192.0.2.1")


def test_a_success_neither_counts_nor_forgets_the_failures_before() -> None:
    for _ in range(LIMIT - 1):
        fail("ann@fullon")
    for _ in range(2 * LIMIT):
        succeed("ann@fullon", "192.0.2.1")
    fail("ann@fullon")
    with pytest.raises(TooManyAttempts):
        succeed("ann@fullon")


def test_the_addresses_of_one_ipv6_network_are_one() -> None:
    for host in range(ADDRESS_LIMIT):
        fail(f"user{host}@fullon", f"2001:db8::{host:x}")
    with pytest.raises(TooManyAttempts):
        fail("another@fullon", "2001:db8::ffff:1")
    fail("another@fullon", "2001:db8:0:1::1")


def test_an_ipv4_address_is_the_same_in_the_clothes_of_ipv6() -> None:
    for number in range(ADDRESS_LIMIT):
        fail(f"user{number}@fullon", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        fail("another@fullon", "::ffff:192.0.2.1")


def test_guesses_that_come_at_once_do_not_pass_together() -> None:
    def guess(_: int) -> bool:
        try:
            fail("ann@fullon")
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(guess, range(64))) == LIMIT


def test_counts_end_by_themselves_and_name_nobody(fresh_redis: EmbeddedRedis) -> None:
    fail("ann@fullon", "192.0.2.1")
    with redis.Redis.from_url(fresh_redis.url) as client:
        keys = client.keys("gw:{logins}:*")
        assert len(keys) == 2
        for key in keys:
            assert 0 < client.pttl(key) <= 60_000
            assert b"ann" not in key
            assert b"192" not in key


def test_without_redis_each_process_counts_by_itself(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with counted(metrics.LOGINS_COUNTED_ALONE, times=LIMIT + 3):
        for _ in range(LIMIT):
            fail("ann@fullon", "192.0.2.1")
        succeed("bob@fullon", "192.0.2.1")
        for host in (1, 2):
            with pytest.raises(TooManyAttempts):
                fail("ann@fullon", f"192.0.2.{host}")


def test_a_redis_that_comes_back_is_asked_again(settings: Settings, fresh_redis: EmbeddedRedis) -> None:
    counts = attempts._shared(settings.REDIS_URL)
    counts._away(ConnectionError())
    with counted(metrics.LOGINS_COUNTED_ALONE):
        fail("ann@fullon")
    counts._failed_at -= attempts.SILENT_AFTER_FAILURE_S
    with counted(metrics.LOGINS_COUNTED_ALONE, times=0):
        fail("ann@fullon")


def test_what_one_process_counts_by_itself_is_bounded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(attempts, "LOCAL_KEYS_MAX", 10)
    for number in range(10):
        fail(f"user{number}@fullon")
    with pytest.raises(TooManyAttempts):
        fail("another@fullon")


def test_a_failure_of_ours_is_no_attempt() -> None:
    for _ in range(LIMIT + 1):
        with pytest.raises(OperationalError), attempt("ann@fullon", "192.0.2.1"):
            raise OperationalError


def test_every_outcome_is_counted_once(ann: User) -> None:
    with counted(metrics.LOGINS, "accepted"):
        authenticate_by_password(ann.mail, PASSWORD)
    with counted(metrics.LOGINS, "refused", times=LIMIT):
        for _ in range(LIMIT):
            authenticate_by_password(ann.mail, "wrong")
    with counted(metrics.LOGINS, "throttled"), pytest.raises(TooManyAttempts):
        authenticate_by_password(ann.mail, PASSWORD)


def test_the_right_password_is_not_looked_at_either(ann: User) -> None:
    for _ in range(LIMIT):
        assert authenticate(RequestFactory().get("/"), username=ann.mail, password="wrong") is None
    assert authenticate(RequestFactory().get("/"), username=ann.mail, password=PASSWORD) is None


def test_a_crowd_of_logins_takes_memory_for_four_at_once_and_no_attempts(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PLACE_WAIT_S", 0.01)
    with ExitStack() as held:
        for _ in range(services.HASHES_AT_ONCE):
            held.enter_context(services._hashing_place())
        for _ in range(LIMIT + 1):
            with pytest.raises(TooManyAttempts):
                authenticate_by_password(ann.mail, PASSWORD)
    assert authenticate_by_password(ann.mail, PASSWORD) == ann


@pytest.mark.django_db(transaction=True)
async def test_asynchronous_callers_are_bounded_too() -> None:
    for _ in range(LIMIT):
        assert await aauthenticate(username="ann@fullon", password="wrong") is None
    with pytest.raises(TooManyAttempts):
        fail("ann@fullon")


@pytest.mark.django_db
def test_a_login_without_a_password_is_nobodys() -> None:
    assert authenticate(username="ann@fullon") is None
    fail("ann@fullon")


def test_the_form_of_the_admin_site_is_bounded_by_account_and_address(ann: User, client: Client) -> None:
    def log_in(password: str, address: str) -> int:
        form = {"username": ann.mail, "password": password}
        return client.post("/admin/login/", form, REMOTE_ADDR=address).status_code

    assert log_in(PASSWORD, "192.0.2.1") == 302
    client.logout()
    assert [log_in("wrong", f"192.0.2.{host}") for host in range(LIMIT)] == [200] * LIMIT
    assert log_in(PASSWORD, "192.0.2.77") == 200
