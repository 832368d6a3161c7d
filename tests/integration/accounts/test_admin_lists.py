"""The admin site's lists with 10,000 rows each: found, filtered, and answered in a fixed number of queries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoDbBlocker

from accounts.models import ApiKey, Ownership, RevokedToken, TokenFamily, User
from cache_streams.agents.models import AgentRun

ROWS = 10_000
SECONDS_MAX = 2.0
"""What a page takes at most on a busy machine; alone it is some 0.1 s."""

# Session and user, the page's rows and their number; and the choices of a filter where it asks for them.
LISTS = {
    "accounts/user": ("mail7777@", "is_active__exact=1", 6),
    "accounts/apikey": ("hint7777", "is_active__exact=1", 5),
    "accounts/ownership": ("account7777", "kind__exact=account", 5),
    "accounts/tokenfamily": ("mail7777@", "ended_at__isempty=1", 5),
    "accounts/revokedtoken": ("jti7777", "expires_at__gte=2020-01-01 00:00:00%2B00:00", 5),
    "admin/logentry": ("object7777", "action_flag__exact=2", 6),
    "cache_streams/agentrun": ("run7777", "status=running", 5),
}


@pytest.fixture(scope="module")
def full(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Client]:
    """A client of an administrator on a database with 10,000 rows of each kind, which go at the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        boss = User.objects.create_superuser("boss@fullon")
        _fill()
        client = Client()
        client.force_login(boss)
        yield client
        transaction.set_rollback(True)


def _fill() -> None:
    now = timezone.now()
    later = now + timedelta(hours=1)
    numbers = range(ROWS)
    users = User.objects.bulk_create(User(mail=f"mail{n}@example.org") for n in numbers)
    ApiKey.objects.bulk_create(ApiKey(user=users[n], digest=f"d{n}", hint=f"hint{n}") for n in numbers)
    Ownership.objects.bulk_create(
        Ownership(user=users[n], kind="account", identifier=f"account{n}") for n in numbers
    )
    TokenFamily.objects.bulk_create(TokenFamily(user=users[n], jti="j", expires_at=later) for n in numbers)
    RevokedToken.objects.bulk_create(
        RevokedToken(user=users[n], jti=f"jti{n}", expires_at=later) for n in numbers
    )
    people = ContentType.objects.get_for_model(User)
    LogEntry.objects.bulk_create(
        LogEntry(user=users[n], content_type=people, object_repr=f"object{n}", action_flag=CHANGE)
        for n in numbers
    )
    AgentRun.objects.bulk_create(
        AgentRun(
            id=f"run{n}", user=users[n], producer=users[n], status="running",
            start_cursor=1, started_at=now, updated_at=now,
        )
        for n in numbers
    )  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", LISTS)
def test_a_page_of_a_list_is_quick_and_asks_little(
    full: Client, name: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    full.get(f"/admin/{name}/")  # templates are compiled once
    started = time.process_time()
    with django_assert_max_num_queries(LISTS[name][2]):
        answer = full.get(f"/admin/{name}/")
    assert answer.status_code == 200
    assert time.process_time() - started < SECONDS_MAX


@pytest.mark.django_db
@pytest.mark.parametrize("name", LISTS)
def test_one_row_of_many_is_found(full: Client, name: str) -> None:
    answer = full.get(f"/admin/{name}/", {"q": LISTS[name][0]})
    assert answer.context["cl"].result_count == 1


@pytest.mark.django_db
@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_filtered(full: Client, name: str) -> None:
    answer = full.get(f"/admin/{name}/?{LISTS[name][1]}")
    assert answer.context["cl"].result_count >= ROWS
    assert answer.context["cl"].has_active_filters
