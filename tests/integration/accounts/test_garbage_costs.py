"""What a credential that proves nothing costs: no query, and the same work whatever is wrong with it."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.db.backends.utils import CursorWrapper
from django.test import Client

from cache_streams import authentication
from cache_streams.authentication import AuthenticationRefused, authenticate
from cache_streams.carriers import Offer
from cache_streams.connections import close_shared_redis
from fullon_master.asgi import application
from tests.forged_tokens import INVALID, NEEDS_THE_USER_STORE, REFUSED

TRIES = 40
ALIKE_S = 0.001
PATHS = ["/api/v1/cache/ws/tickers/c", "/api/v1/stream", "/api/v1/cache/ws/agents/c", "/nothing"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
async def _no_connection_stays() -> AsyncIterator[None]:
    yield
    await close_shared_redis()


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement of every thread's connection: sockets ask in threads of their own."""
    asked: list[str] = []
    execute = CursorWrapper.execute

    def noted(cursor: CursorWrapper, sql: str, *arguments: Any) -> Any:
        asked.append(sql)
        return execute(cursor, sql, *arguments)

    monkeypatch.setattr(CursorWrapper, "execute", noted)
    authentication.forget()
    yield asked
    authentication.forget()


def handshake(path: str, **carried: Any) -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": path,
        "scheme": "ws",
        "client": ("192.0.2.1", 1),
        "extensions": {"websocket.http.response": {}},
        "query_string": carried.get("query", b""),
        "headers": carried.get("headers", []),
    }


def carriers(token: str) -> list[dict[str, Any]]:
    raw = token.encode()
    return [
        {"query": b"token=" + raw},
        {"headers": [(b"authorization", b"Bearer " + raw)]},
        {"headers": [(b"sec-websocket-protocol", b"jwt-auth, bearer." + raw)]},
        {"headers": [(settings.API_KEY_HEADER_NAME.lower().encode(), raw)]},
        {"query": b"ticket=" + raw},
    ]


async def refused(scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all messages that the application answers a handshake with."""
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await application(scope, receive, send)
    return told


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in NEEDS_THE_USER_STORE])
async def test_garbage_on_a_socket_asks_the_database_nothing(name: str, queries: list[str]) -> None:
    token = REFUSED[name][0](settings.JWT_SECRET_KEY)
    for path in PATHS:
        for carried in carriers(token):
            told = await refused(handshake(path, **carried))
            assert told[0].get("status") == 401 or told[-1].get("code") == 1008
    assert queries == []


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_garbage_on_a_request_asks_the_database_nothing(
    header: str, queries: list[str], client: Client
) -> None:
    for name, (forge, _) in REFUSED.items():
        if name not in NEEDS_THE_USER_STORE:
            token = forge(settings.JWT_SECRET_KEY)
            carried = {header: f"Bearer {token}" if header == "Authorization" else token}
            assert client.get("/api/v1/orm/users/me", headers=carried).status_code == 401
    assert queries == []


async def test_a_ghost_that_comes_again_asks_the_database_nothing_more(queries: list[str]) -> None:
    token = REFUSED["ghost user"][0](settings.JWT_SECRET_KEY).encode()
    for expected in (1, 1):
        with pytest.raises(AuthenticationRefused):
            await authenticate(
                handshake("/", query=b"token=" + token), Offer(None, browser=False, offered=())
            )
        assert len(queries) == expected


async def test_what_is_wrong_with_a_token_cannot_be_told_by_its_work() -> None:
    tokens = {
        name: forge(settings.JWT_SECRET_KEY).encode()
        for name, (forge, code) in REFUSED.items()
        if code == INVALID
    }
    spent: dict[str, list[float]] = {name: [] for name in tokens}
    offer = Offer(None, browser=False, offered=())
    for _ in range(TRIES):
        for name, token in tokens.items():
            scope = handshake("/", query=b"token=" + token)
            started = time.thread_time()
            with suppress(AuthenticationRefused):
                await authenticate(scope, offer)
            spent[name].append(time.thread_time() - started)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    assert max(medians.values()) - min(medians.values()) < ALIKE_S, medians
