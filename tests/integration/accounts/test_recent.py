"""Answers of the database that a worker keeps for seconds: how many queries a crowd costs, and what news drop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.models import RevokedToken, User
from accounts.selectors import stored_jti
from accounts.standing import revocations
from cache_streams.recent import AuthenticationUnavailable, Recent

DEADLINE_S = 20.0
pytestmark = pytest.mark.django_db  # whoever asks in a thread first closes connections that are too old


class Store:
    """Answers with how often it was asked, not before it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()

    def ask(self) -> int:
        self.asked += 1
        self.may_answer.wait(DEADLINE_S)
        return self.asked


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_whoever_asks_while_another_does_waits_for_the_same_answer() -> None:
    recent: Recent[str, int] = Recent()
    store = Store()
    asking = [asyncio.create_task(recent.get("same", store.ask)) for _ in range(50)]
    await until(lambda: store.asked == 1)
    store.may_answer.set()
    assert await asyncio.gather(*asking) == [1] * 50


async def test_a_caller_that_leaves_takes_the_answer_from_nobody() -> None:
    recent: Recent[str, int] = Recent()
    store = Store()
    first = asyncio.create_task(recent.get("same", store.ask))
    await until(lambda: store.asked == 1)
    second = asyncio.create_task(recent.get("same", store.ask))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    store.may_answer.set()
    assert await second == 1


async def test_an_answer_that_is_older_than_the_news_is_not_kept() -> None:
    recent: Recent[str, int] = Recent()
    store = Store()
    before = asyncio.create_task(recent.get("same", store.ask))
    await until(lambda: store.asked == 1)
    recent.forget("same")
    store.may_answer.set()
    await before
    assert await recent.get("same", store.ask) == 2


async def test_who_asks_after_the_news_is_not_given_an_answer_from_before_them() -> None:
    recent: Recent[str, int] = Recent()
    store = Store()
    before = asyncio.create_task(recent.get("same", store.ask))
    await until(lambda: store.asked == 1)
    recent.forget()
    after = asyncio.create_task(recent.get("same", store.ask))
    store.may_answer.set()
    await before
    assert await after == 2


async def test_a_database_that_is_away_is_said_to_each_and_asked_again() -> None:
    def away() -> int:
        raise OperationalError

    recent: Recent[str, int] = Recent()
    with pytest.raises(AuthenticationUnavailable):
        await recent.get("same", away)
    assert await recent.get("same", lambda: 7) == 7


def revoke(*names: str, ended: bool = False) -> None:
    user, _ = User.objects.get_or_create(mail="ann@example.org")
    end = timezone.now() + timedelta(hours=-1 if ended else 1)
    for name in names:
        RevokedToken.objects.create(jti=stored_jti(name), user=user, expires_at=end)


def test_revocations_that_still_matter_are_all_told() -> None:
    revoke("one", "two with spaces")
    revoke("over", ended=True)
    assert revocations(2) == frozenset({stored_jti("one"), stored_jti("two with spaces")})


def test_more_revocations_than_are_wanted_are_not_told_at_all() -> None:
    revoke("one", "two")
    assert revocations(1) is None
