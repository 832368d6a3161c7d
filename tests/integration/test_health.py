"""What the health routes say while neighbours come and go."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.db import connection, connections
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.tokens import issue_access_token
from cache_streams import health_bodies
from cache_streams.health import CHECK_TIMEOUT_S, CHECKER, Checker, look_at_database, look_at_redis, status_of
from cache_streams.relay.lease import Lease
from cache_streams.server.embedded_redis import EmbeddedRedis

JSON = dict[str, Any]  # answers of the server under test
pytestmark = pytest.mark.django_db


@pytest.fixture
def own_redis(settings: Settings) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis.start(tcp=True)
    settings.REDIS_URL = server.url
    yield server
    server.stop()


@pytest.fixture
def mute_redis(settings: Settings) -> Iterator[None]:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings.REDIS_URL = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        yield


@pytest.fixture(autouse=True)
def _no_looks_between_tests() -> Iterator[None]:
    yield
    CHECKER.stop()


def checker() -> Checker:
    return Checker({"database": look_at_database, "redis": look_at_redis})


def eventually(fetch: Callable[[], JSON], holds: Callable[[JSON], bool], deadline_s: float = 15.0) -> JSON:
    deadline = time.monotonic() + deadline_s
    while not holds(told := fetch()):
        assert time.monotonic() < deadline, told
        threading.Event().wait(0.05)
    return told


def health_of(client: Client) -> Callable[[], JSON]:
    return lambda: client.get("/health").json()


def test_health_has_every_member_that_known_clients_read(client: Client) -> None:
    told = eventually(health_of(client), lambda told: told["status"] != "unhealthy")
    assert told["service"] == "fullon_master_api"
    assert told["version"] == "1.0.0"
    assert told["status"] in {"healthy", "degraded"}
    assert set(told) >= {
        "monitoring",
        "auto_restart",
        "metrics",
        "issues",
        "recovery_actions",
        "recent_actions",
    }
    assert set(told["services"]) >= {"ticker", "ohlcv", "account", "health_monitor"}
    assert all({"service", "status", "is_running"} == set(service) for service in told["services"].values())
    assert set(told["components"]) == {"database", "redis", "channel_layer"}
    assert told["uptime_seconds"] >= 0


def test_nothing_is_wrong_before_the_first_look() -> None:
    told = health_bodies.health(None)
    assert (told["status"], told["issues"]) == ("healthy", [])
    assert told["components"]["redis"] == {"status": "unknown"}


@pytest.mark.usefixtures("mute_redis")
def test_health_answers_at_once_while_redis_is_mute(client: Client) -> None:
    client.get("/health")
    for _ in range(5):
        started = time.monotonic()
        assert client.get("/health").status_code == 200
        assert time.monotonic() - started < CHECK_TIMEOUT_S / 2


def test_health_notices_that_redis_went_and_came(
    client: Client, own_redis: EmbeddedRedis, settings: Settings
) -> None:
    eventually(health_of(client), lambda told: told["components"]["redis"]["status"] == "connected")
    own_redis.stop()
    gone = eventually(health_of(client), lambda told: told["components"]["redis"]["status"] == "unavailable")
    assert gone["status"] == "degraded"
    assert any("redis" in issue for issue in gone["issues"])
    settings.REDIS_URL = (back := EmbeddedRedis.start(tcp=True)).url
    eventually(health_of(client), lambda told: told["components"]["redis"]["status"] == "connected")
    back.stop()


async def test_a_relay_is_seen_by_its_lease(own_redis: EmbeddedRedis, settings: Settings) -> None:
    before = look_at_redis()
    async with redis.asyncio.Redis.from_url(own_redis.url) as client:
        await Lease(client, settings.GW_PREFIX).acquire()
    assert (before["relay"], look_at_redis()["relay"]) == (False, True)


def test_services_run_while_their_processes_show_signs_of_life(own_redis: EmbeddedRedis) -> None:
    now = dt.datetime.now(dt.UTC)
    with redis.Redis.from_url(own_redis.url) as client:
        client.hset("process:active:tick", "tick:kraken:1.5", now.isoformat())
        client.hset("process:active:ohlcv", "ohlcv:kraken:1.5", (now - dt.timedelta(hours=1)).isoformat())
        client.set("process:active:account", "a key of the wrong type")
    told = health_bodies.health(checker().fresh())
    running = {name: service["is_running"] for name, service in told["services"].items()}
    assert (running["ticker"], running["ohlcv"], running["account"]) == (True, False, False)
    assert told["processes"]["active_count"] == 1


def test_the_process_is_live_without_any_neighbour(client: Client, own_redis: EmbeddedRedis) -> None:
    own_redis.stop()
    assert client.get("/health/live").json()["status"] == "healthy"


@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/health/ready", "/health/services", "/health/monitor"]
)
def test_health_is_answered_to_head(client: Client, own_redis: EmbeddedRedis, path: str) -> None:
    eventually(lambda: {"status": client.head(path).status_code}, lambda told: told["status"] == 200)
    assert client.head(path).content == b""


def test_ready_says_how_long_its_neighbours_took(client: Client, own_redis: EmbeddedRedis) -> None:
    told = eventually(lambda: client.get("/health/ready").json(), lambda told: told["status"] == "healthy")
    assert {component["status"] for component in told["components"].values()} == {"connected"}
    assert told["components"]["redis"]["latency_ms"] < 1000


def test_ready_is_503_with_reasons_while_redis_is_away(client: Client, own_redis: EmbeddedRedis) -> None:
    own_redis.stop()
    told = eventually(lambda: client.get("/health/ready").json(), lambda told: told["status"] == "unhealthy")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert told["reasons"] == ["redis failed: ConnectionError"]
    assert told["components"]["database"]["status"] == "connected"
    assert (told["success"], told["error_code"]) == (False, "UNAVAILABLE")


@pytest.mark.usefixtures("mute_redis")
def test_ready_gives_up_on_a_mute_redis_after_a_second() -> None:
    started = time.monotonic()
    report = checker().fresh()
    assert time.monotonic() - started < CHECK_TIMEOUT_S + 0.5
    assert report.components["redis"].connected is False


def test_ready_is_503_with_reasons_while_the_database_is_away(
    client: Client, own_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "NAME", "/nonexistent/database")
    told = eventually(lambda: client.get("/health/ready").json(), lambda told: told["status"] == "unhealthy")
    assert client.get("/health/ready").status_code == 503
    assert told["reasons"] == ["database failed: OperationalError"]
    assert told["components"]["redis"]["status"] == "connected"


def test_a_database_that_is_away_is_unhealthy(
    own_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "NAME", "/nonexistent/database")
    report = checker().fresh()
    assert report.components["database"].reason == "database failed: OperationalError"
    assert status_of(report) == "unhealthy"


@pytest.mark.django_db(transaction=True)
def test_resources_answer_503_while_the_database_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = f"Bearer {issue_access_token(User.objects.create_user('ann@example.org'))}"
    with monkeypatch.context() as patch:
        patch.setitem(connections.settings["default"], "NAME", "/nonexistent/database")
        connection.close()
        answer = client.get("/api/v1/orm/users/me", headers={"Authorization": bearer})
        login = client.post("/api/v1/auth/login", {"username": "ann@example.org", "password": "x"})
    connection.close()
    for refused in (answer, login):
        assert (refused.status_code, refused.json()["error_code"]) == (503, "UNAVAILABLE")
        assert int(refused.headers["Retry-After"]) > 0


def test_a_neighbour_that_never_answers_holds_one_thread() -> None:
    answer = threading.Event()
    asked: list[str] = []

    def look() -> dict[str, bool]:
        asked.append(threading.current_thread().name)
        answer.wait(30)
        return {}

    hanging = Checker({"slow": look})
    for _ in range(2):
        assert hanging.fresh(max_age_s=0.0).components["slow"].connected is False
    assert len(asked) == 1
    answer.set()
    eventually(
        lambda: {"ok": hanging.fresh(max_age_s=0.0).components["slow"].connected}, lambda told: told["ok"]
    )


def test_many_probes_cost_one_look() -> None:
    looks: list[float] = []

    def look() -> dict[str, bool]:
        looks.append(time.monotonic())
        return {}

    probed = Checker({"quick": look})
    for _ in range(50):
        probed.fresh()
    assert len(looks) < 10


def test_the_background_looks_end_when_told_to_and_start_when_asked() -> None:
    watched = Checker({"quick": dict})
    eventually(lambda: {"report": watched.last()}, lambda told: told["report"] is not None)
    states = [watched.is_running]
    for change in (watched.stop, watched.last, watched.stop):
        change()
        states.append(watched.is_running)
    assert states == [True, False, True, False]


def test_a_check_by_hand_is_for_administrators(client: Client, own_redis: EmbeddedRedis) -> None:
    def check(user: User | None) -> tuple[int, JSON]:
        headers = {} if user is None else {"Authorization": f"Bearer {issue_access_token(user)}"}
        answer = client.post("/health/check", headers=headers)
        return answer.status_code, answer.json()

    assert check(None)[0] == 401
    assert check(User.objects.create_user("ann@example.org"))[0] == 403
    status, told = check(User.objects.create_superuser("root@example.org"))
    assert (status, told["status"]) == (200, "completed")
    assert told["result"]["checks_performed"] == ["service_health", "process_cache", "database", "redis"]
    assert told["result"]["issues_found"] == ["no relay is running: nothing new reaches the sockets"]


def test_the_monitor_tells_of_its_looks(client: Client, own_redis: EmbeddedRedis) -> None:
    told = eventually(
        lambda: client.get("/health/monitor").json(),
        lambda told: told["monitoring"]["last_check"] is not None,
    )
    assert told["monitoring"]["is_running"] is True
    assert told["auto_restart"]["enabled"] is False
    assert set(client.get("/health/services").json()) == {"services"}
