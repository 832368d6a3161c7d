"""Fixtures of all tests: servers of their own, users and tokens."""

import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import jwt
import pytest
import redis
from django.conf import settings
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from accounts.postgresql.patience import PATIENCE
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.chromium import NO_CHROMIUM, ChromiumNotFoundError, chromium_path
from tests.live import LiveServer, live_server
from tests.settings import TEST_REDIS

# Examples are drawn on machines that others use too, under coverage: slow is not wrong. Each test has a timeout.
hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")

TokenFactory = Callable[..., str]
BROWSER_TESTS = Path(__file__).parent / "browser"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the browser tests out where there is no browser."""
    return True if collection_path == BROWSER_TESTS and not has_chromium() else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say that they were left out, where the result is read."""
    if not has_chromium():
        terminalreporter.write_line(f"tests/browser was left out: {NO_CHROMIUM}", yellow=True)


def has_chromium() -> bool:
    try:
        return chromium_path() is not None
    except ChromiumNotFoundError as exc:
        raise pytest.UsageError(str(exc)) from exc


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that touch the database, which `make test` runs again on PostgreSQL."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") or fixtures & {"db", "transactional_db"}:
            item.add_marker("database")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database; at its end the connections of threads that tests left to the process are closed first.

    Code under test reads users in threads of its own, which keep their connections on purpose. PostgreSQL drops no
    database that somebody is connected to.
    """
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of this test process's own redis-server, which ``settings.REDIS_URL`` names as well."""
    return str(settings.REDIS_URL)


@pytest.fixture
def fresh_redis() -> EmbeddedRedis:
    """This test process's own redis-server (``url``, ``pid``), emptied."""
    server = TEST_REDIS
    with redis.Redis.from_url(server.url) as client:
        # Flushing the wrong server would destroy somebody's cache.
        assert client.info("server")["process_id"] == server.pid
        client.flushall()
    return server


@pytest.fixture
def fresh_counts(redis_url: str) -> None:
    """Nobody has asked for anything yet: the ids of users come again in the next test, within the same minute."""
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(f"{settings.GW_PREFIX}:{{counts}}:*", count=1000):
            client.delete(key)


@pytest.fixture(scope="session", autouse=True)
def patient_database() -> None:
    """The application, which some tests import, bounds the database's waits of its whole process: of others no test's."""
    importlib.import_module("fullon_master.asgi")
    PATIENCE.seconds = None


@pytest.fixture(scope="session")
def live_server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A real gateway with one worker, its own Redis and its own database, shared by the tests of this process."""
    with live_server(tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture
def token() -> TokenFactory:
    """Return a factory of signed tokens: ``token(user_id, **claims)``; a claim of None is left out."""

    def mint(user_id: int | str = 1, *, secret: str | None = None, **claims: object) -> str:
        payload = {"sub": str(user_id), "user_id": user_id, "exp": int(time.time()) + 3600, **claims}
        present = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(present, secret or settings.JWT_SECRET_KEY, algorithm=settings.JWT_ALGORITHM)

    return mint
