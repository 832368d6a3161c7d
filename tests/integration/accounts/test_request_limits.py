"""How many REST requests one user and one address may send: for all workers together, and told in each answer."""

from __future__ import annotations

import itertools
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from django.test import Client
from prometheus_client import REGISTRY
from pytest_django import Settings
from redis import Redis

from accounts.counts import COUNTS, Counts, CountsUnavailable
from accounts.models import User
from accounts.tokens import issue_access_token
from tests.live import ADMIN_MAIL, PASSWORD, live_server

ME = "/api/v1/orm/users/me"
TICKET = "/api/v1/auth/ticket"
LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_numbers = itertools.count(1)


class Person:
    """A user, at an address that no other test uses."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.address = f"10.77.{number // 250}.{number % 250 + 1}"
        self.user = User.objects.create_user(f"limited{number}@example.org")
        self.client = Client(REMOTE_ADDR=self.address)
        self.headers = {"Authorization": f"Bearer {issue_access_token(self.user)}"}

    def get(self, path: str = ME, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={**self.headers, **headers})  # type: ignore[return-value]  # alike as far as used


@pytest.fixture(autouse=True)
def _fresh(fresh_counts: None) -> None:
    COUNTS._rests_until = 0.0


@pytest.fixture
def ann(db: None) -> Person:
    return Person()


@pytest.fixture
def bob(db: None) -> Person:
    return Person()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_answer_tells_the_limit_what_is_left_and_when_it_begins_anew(
    ann: Person, settings: Settings
) -> None:
    settings.REQUESTS_PER_MINUTE_PER_USER = 10
    ann.get()
    answer = ann.get()
    told = [int(answer.headers[name]) for name in LIMITS]
    assert told[:2] == [10, 8]
    assert 1 <= told[2] <= 60


def test_the_document_names_the_headers_that_an_answer_carries(client: Client) -> None:
    answers = client.get("/openapi.json").json()["paths"][ME]["get"]["responses"]
    assert {status: set(answer["headers"]) - {"Retry-After"} for status, answer in answers.items()} == {
        status: set(LIMITS) for status in ("200", "401", "403", "429", "503")
    }
    assert {status for status in answers if "Retry-After" in answers[status]["headers"]} == {"429", "503"}


def test_beyond_the_limit_a_user_is_429_and_told_when_to_come_back(ann: Person, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE_PER_USER = 2
    before = metric("gw_rest_throttled_total", limit="user")
    assert [ann.get().status_code for _ in range(3)] == [200, 200, 429]
    answer = ann.get()
    assert answer.json()["error_code"] == "RATE_LIMITED"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert metric("gw_rest_throttled_total", limit="user") == before + 2


def test_a_user_is_limited_whatever_the_address(ann: Person, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE_PER_USER = 1
    ann.get()
    ann.client = Client(REMOTE_ADDR="10.99.0.1")
    assert ann.get().status_code == 429


def test_one_user_does_not_use_up_what_another_has(ann: Person, bob: Person, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE_PER_USER = 1
    assert [person.get().status_code for person in (ann, ann, bob)] == [200, 429, 200]


def test_an_address_is_limited_whoever_asks(ann: Person, bob: Person, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE_PER_ADDRESS = 2
    bob.client = ann.client
    assert [person.get().status_code for person in (ann, bob, ann, bob)] == [200, 200, 429, 429]


@pytest.mark.parametrize("path", [ME, "/api/v1/cache/tickers", "/api/v1/nothing"])
def test_strangers_are_limited_by_their_address(settings: Settings, db: None, path: str) -> None:
    settings.REQUESTS_PER_MINUTE_PER_ADDRESS = 1
    client = Client(REMOTE_ADDR="10.88.0.1")
    first, second = client.get(path), client.get(path)
    assert (first.status_code in {401, 404}, second.status_code) == (True, 429)
    assert int(second.headers["Retry-After"]) >= 1
    assert set(LIMITS) <= set(first.headers)


def test_a_forwarded_address_that_anybody_can_write_changes_nothing(ann: Person, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE_PER_ADDRESS = 1
    told = [ann.get(**{"X-Forwarded-For": f"10.1.1.{number}"}).status_code for number in range(2)]
    assert told == [200, 429]


def test_addresses_of_one_network_of_ipv6_count_as_one(settings: Settings, db: None) -> None:
    settings.REQUESTS_PER_MINUTE_PER_ADDRESS = 1
    addresses = ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")
    assert [Client(REMOTE_ADDR=each).get(ME).status_code for each in addresses] == [401, 429, 401]


def test_a_limit_of_nought_is_none(ann: Person, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE_PER_USER = settings.REQUESTS_PER_MINUTE_PER_ADDRESS = 0
    answer = ann.get()
    assert (answer.status_code, set(LIMITS) & set(answer.headers)) == (200, set())


def test_health_is_never_limited(settings: Settings, client: Client) -> None:
    settings.REQUESTS_PER_MINUTE_PER_ADDRESS = 1
    assert {client.get("/health/live").status_code for _ in range(3)} == {200}


def test_tickets_have_a_limit_of_their_own_which_is_told_where_it_is_the_tighter(
    ann: Person, settings: Settings
) -> None:
    settings.TICKETS_PER_MINUTE = 1
    answers = [ann.client.post(TICKET, {}, "application/json", headers=ann.headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[0].headers["X-RateLimit-Limit"] == "1"
    assert ann.get().status_code == 200


def test_requests_about_agent_runs_do_not_use_up_the_others(ann: Person, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE_PER_USER = 1
    assert {ann.get("/api/v1/agents/runs").status_code for _ in range(3)} == {200}
    assert ann.get().status_code == 200


def test_pages_of_other_origins_may_read_the_limits(ann: Person, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://desk.example"]
    answer = ann.get(Origin="https://desk.example")
    exposed = answer.headers["Access-Control-Expose-Headers"].replace(" ", "").split(",")
    assert {*(name.lower() for name in LIMITS), "retry-after"} <= set(exposed)


def test_without_redis_reads_go_on_uncounted_and_that_is_counted(ann: Person, settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.REDIS_URL = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        before = metric("gw_rest_counts_lost_total")
        answer = ann.get()
    assert (answer.status_code, set(LIMITS) & set(answer.headers)) == (200, set())
    assert metric("gw_rest_counts_lost_total") == before + 1
    COUNTS._rests_until = 0.0


def test_a_redis_that_hangs_holds_one_request_a_second(settings: Settings) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        settings.REDIS_URL = f"redis://127.0.0.1:{mute.getsockname()[1]}/0"
        before = metric("gw_rest_counts_lost_total")
        counts = Counts()
        for _ in range(20):
            with pytest.raises(CountsUnavailable):
                counts.add(["x"], 60)
        assert metric("gw_rest_counts_lost_total") == before + 1


def test_a_count_ends_with_its_window_also_when_its_end_was_lost(redis_url: str) -> None:
    (first,) = COUNTS.add(["lost"], 60)
    with Redis.from_url(redis_url) as redis:
        redis.persist("gw:{counts}:lost")
    (second,) = COUNTS.add(["lost"], 60)
    assert (first.count, second.count) == (1, 2)
    assert 0 < second.ends_in_s <= 60


def test_all_workers_count_together(tmp_path: Path) -> None:
    unkept = httpx.Limits(max_keepalive_connections=0)  # a connection each: any worker answers
    with (
        live_server(tmp_path, workers=2, REQUESTS_PER_MINUTE_PER_USER="20") as server,
        httpx.Client(base_url=server.url, limits=unkept, timeout=30.0) as client,
    ):
        login = client.post("/api/v1/auth/login", json={"username": ADMIN_MAIL, "password": PASSWORD})
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        with ThreadPoolExecutor(4) as many:
            told = list(many.map(lambda _: client.get(ME, headers=headers).status_code, range(40)))
        assert (told.count(200), told.count(429)) == (20, 20)
