"""What letting a socket in costs when its user was seen a moment ago: no query, and next to no time."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.conf import settings
from django.db.backends.utils import CursorWrapper

from accounts.keys import create_key
from accounts.models import User
from accounts.tokens import issue_access_token
from cache_streams import authentication
from cache_streams.authentication import authenticate
from cache_streams.carriers import read_offer
from cache_streams.connections import close_shared_redis

CPU_S = 0.002
TRIES = 100
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _fresh() -> AsyncIterator[None]:
    authentication.forget()
    yield
    authentication.forget()
    await close_shared_redis()


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement of every thread's connection: sockets ask in threads of their own."""
    asked: list[str] = []
    execute = CursorWrapper.execute

    def noted(cursor: CursorWrapper, sql: str, *arguments: Any) -> Any:
        asked.append(sql)
        return execute(cursor, sql, *arguments)

    monkeypatch.setattr(CursorWrapper, "execute", noted)
    return asked


@pytest.fixture
def carried() -> dict[str, dict[str, Any]]:
    """Handshakes of one user, by carrier; the tokens are different ones of the same user."""
    user = User.objects.create_user("ann@fullon")
    tokens = [issue_access_token(user).encode() for _ in range(3)]
    _, key = create_key(user)
    header = settings.API_KEY_HEADER_NAME.lower().encode()
    return {
        "query": {"query_string": b"token=" + tokens[0], "headers": []},
        "header": {"query_string": b"", "headers": [(b"authorization", b"Bearer " + tokens[1])]},
        "subprotocol": {
            "query_string": b"",
            "headers": [(b"sec-websocket-protocol", b"jwt-auth, jwt." + tokens[2])],
        },
        "key": {"query_string": b"", "headers": [(header, key.encode())]},
    }


async def test_a_user_seen_a_moment_ago_costs_no_query_by_any_carrier(
    carried: dict[str, dict[str, Any]], queries: list[str]
) -> None:
    await authenticate(carried["query"], read_offer(carried["query"]))
    await authenticate(carried["key"], read_offer(carried["key"]))
    assert queries
    queries.clear()
    for scope in carried.values():
        login = await authenticate(scope, read_offer(scope))
        assert login.identity.mail == "ann@fullon"
    assert queries == []


async def test_letting_a_socket_in_takes_less_than_two_milliseconds_of_cpu(
    carried: dict[str, dict[str, Any]],
) -> None:
    for scope in carried.values():
        await authenticate(scope, read_offer(scope))
        spent = []
        for _ in range(TRIES):
            started = time.thread_time()
            await authenticate(scope, read_offer(scope))
            spent.append(time.thread_time() - started)
        assert statistics.quantiles(spent, n=20)[-1] < CPU_S, statistics.median(spent)
