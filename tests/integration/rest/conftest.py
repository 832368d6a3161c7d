"""What every test of the cache over REST begins with: a relay, a collector, and people who ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from redis import Redis

from accounts.models import Ownership, User
from accounts.tokens import issue_access_token
from cache_streams.agents.rights import RECENT
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.integration.rest.relaying import eventually, relaying
from tests.integration.wire.collector import Collector, fresh_name
from tests.settings import TEST_REDIS

Answer = Any  # Any: Django's test client adds to HttpResponse
CACHE = "/api/v1/cache"
ERROR_MEMBERS = {"detail", "success", "error_code", "error", "request_id"}


class Person:
    """A user, and what they ask over REST."""

    def __init__(self, client: Client, user: User) -> None:
        self.client, self.user = client, user
        self.headers = {"Authorization": f"Bearer {issue_access_token(user)}"}

    def get(self, path: str, **headers: str) -> Answer:
        return self.client.get(f"{CACHE}{path}", headers={**self.headers, **headers})

    def post(self, path: str, body: object, **headers: str) -> Answer:
        return self.client.post(
            f"{CACHE}{path}", body, content_type="application/json", headers={**self.headers, **headers}
        )

    def until(self, path: str, condition: Callable[[Any], bool]) -> Any:  # Any: JSON
        """Return the first answer of which ``condition`` holds, as JSON."""
        told: list[Any] = []

        def holds() -> bool:
            answer = self.get(path)
            if answer.status_code != 200:
                return False
            told.append(answer.json())
            return condition(told[-1])

        eventually(holds)
        return told[-1]

    def owns(self, kind: str, identifier: object) -> None:
        Ownership.objects.create(user=self.user, kind=kind, identifier=str(identifier))
        RECENT.forget()


@pytest.fixture(autouse=True)
def _fresh(fresh_counts: None) -> None:
    RECENT.forget()


@pytest.fixture(scope="module")
def relay() -> Iterator[None]:
    """A relay over this test process's own Redis, emptied before."""
    with Redis.from_url(TEST_REDIS.url) as client:
        assert client.info("server")["process_id"] == TEST_REDIS.pid
        client.flushall()
    with relaying():
        yield


@pytest.fixture
def collector(relay: None) -> Iterator[Collector]:
    with Redis.from_url(TEST_REDIS.url, socket_timeout=5.0) as redis:
        yield Collector(redis)


@pytest.fixture
def empty(fresh_redis: EmbeddedRedis) -> EmbeddedRedis:
    """The Redis of this test process, emptied, with no relay."""
    return fresh_redis


def _person(client: Client, *, is_staff: bool = False) -> Person:
    return Person(client, User.objects.create_user(f"{fresh_name('p')}@example.org", is_staff=is_staff))


@pytest.fixture
def ann(client: Client, db: None) -> Person:
    return _person(client)


@pytest.fixture
def bob(client: Client, db: None) -> Person:
    return _person(client)


@pytest.fixture
def staff(client: Client, db: None) -> Person:
    return _person(client, is_staff=True)
