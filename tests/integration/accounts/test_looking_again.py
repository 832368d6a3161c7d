"""What ends a socket when no news came: the look at every open one each 30 s, and the end that every credential has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import pytest
from channels.db import database_sync_to_async
from django.conf import settings
from django.utils import timezone

from accounts.keys import create_key
from accounts.models import ApiKey, RevokedToken, User
from accounts.tokens import issue_access_token, verify_access_token
from cache_streams import authentication, sessions
from cache_streams.authentication import Login, authenticate, login_of
from cache_streams.carriers import Offer
from cache_streams.protocol.close_codes import AUTH_REVOKED, Close, Family
from cache_streams.sessions import Sessions
from tests.forged_tokens import token

DEADLINE_S = 20.0
LOOK_S = 0.2
DAY_S = 86_400.0
NO_OFFER = Offer(None, browser=False, offered=())
pytestmark = pytest.mark.django_db(transaction=True)


class Socket:
    """An open socket that remembers how it was ended."""

    family = Family.RPC

    def __init__(self, login: Login) -> None:
        self.login = login
        self.ended: asyncio.Future[Close] = asyncio.get_running_loop().create_future()

    def end(self, close: Close, rule: str = "") -> None:
        if not self.ended.done():
            self.ended.set_result(close)


@pytest.fixture(autouse=True)
async def _forgotten() -> AsyncIterator[None]:
    authentication.forget()
    yield
    authentication.forget()


async def by_key(raw: str) -> Login:
    scope = {"query_string": b"", "headers": [(b"x-api-key", raw.encode())]}
    return await authenticate(scope, NO_OFFER)


def test_the_look_comes_every_thirty_seconds() -> None:
    assert sessions.RECHECK_S == 30.0


@pytest.mark.parametrize("change", ["user", "key", "token"])
async def test_what_changed_without_news_is_found_by_the_look(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "RECHECK_S", LOOK_S)
    user = await User.objects.acreate(mail="ann@fullon")
    if change == "key":
        _, raw = await database_sync_to_async(create_key)(user)
        login = await by_key(raw)
    else:
        login = await login_of(issue_access_token(user))
    opened = Sessions()
    socket = Socket(login)
    opened.add(user.pk, cast("sessions.Session", socket))  # a look reads no more of it
    # Past every signal, as another program would write: nobody is told.
    if change == "user":
        await User.objects.filter(pk=user.pk).aupdate(is_active=False)
    elif change == "key":
        await ApiKey.objects.filter(user=user).aupdate(is_active=False)
    else:
        (jti,) = login.tokens[0].revocable_ids
        row = RevokedToken(jti=jti, user=user, expires_at=timezone.now() + timedelta(hours=1))
        await RevokedToken.objects.abulk_create([row])
    async with asyncio.timeout(DEADLINE_S):
        assert await socket.ended == AUTH_REVOKED
    assert opened._periodic is not None
    opened._periodic.cancel()


async def test_a_socket_of_a_token_ends_with_the_token() -> None:
    user = await User.objects.acreate(mail="ann@fullon")
    raw = token(settings.JWT_SECRET_KEY, user_id=user.pk)
    assert (await login_of(raw)).expires_at == verify_access_token(raw).expires_at


@pytest.mark.parametrize("expires_in_s", [None, 3600.0, 10 * DAY_S])
async def test_a_socket_of_a_key_ends_with_the_key_and_after_a_day_at_the_latest(
    expires_in_s: float | None,
) -> None:
    user = await User.objects.acreate(mail="ann@fullon")
    end = None if expires_in_s is None else timezone.now() + timedelta(seconds=expires_in_s)
    _, raw = await database_sync_to_async(create_key)(user, expires_at=end)
    opened_at = time.time()
    ends_at = (await by_key(raw)).expires_at
    assert ends_at is not None
    expected = min(expires_in_s or DAY_S, DAY_S)
    assert expected - 5 < ends_at - opened_at < expected + 5
