"""Signed entries of a real Redis: stored once and in order, refused with a code, never lost."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from redis import Redis

from accounts.models import User
from cache_streams.agents import ingest, selectors
from cache_streams.agents.ingest import Ingest, dead_key, ingest_key, run_for_ever, signature
from cache_streams.agents.models import AgentProducerKey, AgentRun
from cache_streams.metrics import AGENTS_INGESTED
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.counts import counted
from tests.integration.agents.people import new_user

pytestmark = pytest.mark.django_db

KEY, DEAD = ingest_key("gw"), dead_key("gw")


@pytest.fixture
def redis(fresh_redis: EmbeddedRedis) -> Iterator[Redis]:
    with Redis.from_url(fresh_redis.url) as client:
        yield client


@pytest.fixture
def worker(redis: Redis) -> Ingest:
    worker = Ingest(redis, "gw")
    worker.prepare()
    return worker


@pytest.fixture
def robot() -> AgentProducerKey:
    return AgentProducerKey.objects.create(name="robot", user=new_user("producer"))


@pytest.fixture
def ann() -> User:
    return new_user()


def add(
    redis: Redis,
    key: AgentProducerKey,
    op: str,
    body: dict[str, Any] | str,
    changed: dict[str, str] | None = None,
) -> bytes:
    raw = body if isinstance(body, str) else json.dumps(body)
    fields: Any = {"v": "1", "producer": key.name, "op": op, "body": raw}  # Any: redis-py's invariant dict
    fields["sig"] = signature(key.secret, key.name, op, raw.encode())
    entry_id: Any = redis.xadd(KEY, fields | (changed or {}))  # Any: redis-py's reply
    assert isinstance(entry_id, bytes)
    return entry_id


def started(ann: User, run_id: str = "r") -> dict[str, Any]:
    return {"agent_name": "triage", "run_id": run_id, "user_id": ann.pk}


def thought(text: str, run_id: str = "r") -> dict[str, Any]:
    return {"type": "agent_thinking", "run_id": run_id, "event_id": str(uuid.uuid4()), "reasoning": text}


def codes(redis: Redis) -> list[str]:
    letters: Any = redis.xrange(DEAD)
    return [fields[b"code"].decode() for _, fields in letters]


def texts(ann: User) -> list[str]:
    return [event["reasoning"] for event in selectors.events_after(ann.pk, 1)]


def pending(redis: Redis) -> int:
    summary: Any = redis.xpending(KEY, ingest.GROUP)
    return int(summary["pending"])


def test_signed_entries_are_stored_in_order_and_acknowledged(
    redis: Redis, worker: Ingest, robot: AgentProducerKey, ann: User
) -> None:
    add(redis, robot, "start", started(ann))
    for number in range(5):
        add(redis, robot, "event", thought(str(number)))
    with counted(AGENTS_INGESTED, "stored", times=6):
        assert worker.step(block_ms=10) == 6
    assert texts(ann) == ["0", "1", "2", "3", "4"]
    assert (redis.xlen(KEY), pending(redis), codes(redis)) == (0, 0, [])


def test_what_was_read_and_not_stored_is_stored_after_a_restart_before_anything_new(
    redis: Redis, worker: Ingest, robot: AgentProducerKey, ann: User
) -> None:
    add(redis, robot, "start", started(ann))
    add(redis, robot, "event", thought("first"))
    redis.xreadgroup(ingest.GROUP, "1", {KEY: ">"}, count=2)  # as if it had been killed here
    add(redis, robot, "event", thought("second"))
    again = Ingest(redis, "gw")
    again.prepare()
    assert texts(ann) == ["first"]
    again.step(block_ms=10)
    assert texts(ann) == ["first", "second"]


def test_what_was_stored_and_not_acknowledged_is_not_stored_again(
    redis: Redis, worker: Ingest, robot: AgentProducerKey, ann: User
) -> None:
    bodies = [("start", started(ann)), ("event", thought("once"))]
    for _ in range(2):
        for op, body in bodies:
            add(redis, robot, op, body)
        worker.step(block_ms=10)
    assert texts(ann) == ["once"]
    assert codes(redis) == []


def test_what_another_worker_left_behind_is_taken_over(
    redis: Redis, worker: Ingest, robot: AgentProducerKey, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(redis, robot, "start", started(ann))
    redis.xreadgroup(ingest.GROUP, "gone", {KEY: ">"})
    assert worker.step(block_ms=10) == 0
    monkeypatch.setattr(ingest, "RECLAIM_IDLE_MS", 0)
    assert worker.step(block_ms=10) == 1
    assert AgentRun.objects.get().pk == "r"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"sig": "0" * 64}, "AUTH_INVALID"),
        ({"sig": "é"}, "AUTH_INVALID"),
        ({"producer": "unknown"}, "AUTH_INVALID"),
        ({"producer": "a\x00b"}, "AUTH_INVALID"),
        ({"op": "event"}, "AUTH_INVALID"),
        ({"body": "{}"}, "AUTH_INVALID"),
        ({"v": "2"}, "VERSION_UNKNOWN"),
        ({"body": "x" * 200_000}, "TOO_LARGE"),
    ],
)
def test_an_entry_that_was_changed_is_a_dead_letter(
    redis: Redis, worker: Ingest, robot: AgentProducerKey, changed: dict[str, str], code: str
) -> None:
    entry_id = add(redis, robot, "start", started(robot.user), changed)
    with counted(AGENTS_INGESTED, code):
        worker.step(block_ms=10)
    letters: Any = redis.xrange(DEAD)
    ((_, letter),) = letters
    assert (letter[b"code"].decode(), letter[b"id"]) == (code, entry_id)
    assert (AgentRun.objects.count(), redis.xlen(KEY), pending(redis)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("op", "body", "code"),
    [
        ("start", "{", "MALFORMED_MESSAGE"),
        ("start", "NaN", "MALFORMED_MESSAGE"),
        ("stop", "{}", "INVALID_OPERATION"),
        ("start", '{"agent_name": "a"}', "VALIDATION_ERROR"),
        ("event", '{"type": "agent_thinking", "reasoning": "r", "run_id": "r"}', "VALIDATION_ERROR"),
        ("event", json.dumps({**thought("t"), "run_id": None}), "VALIDATION_ERROR"),
        ("event", json.dumps(thought("t", "unknown")), "RUN_NOT_FOUND"),
    ],
)
def test_a_signed_entry_that_cannot_be_stored_is_a_dead_letter(
    redis: Redis, robot: AgentProducerKey, op: str, body: str, code: str
) -> None:
    add(redis, robot, op, body)
    Ingest(redis, "gw").prepare()
    Ingest(redis, "gw").step(block_ms=10)
    assert codes(redis) == [code]


def test_a_refused_entry_does_not_stop_those_behind_it(
    redis: Redis, worker: Ingest, robot: AgentProducerKey, ann: User
) -> None:
    add(redis, robot, "start", started(ann))
    add(redis, robot, "event", {**thought("t"), "type": "tool_completed"})
    add(redis, robot, "event", thought("good"))
    worker.step(block_ms=10)
    assert (texts(ann), codes(redis)) == (["good"], ["VALIDATION_ERROR"])


@pytest.mark.parametrize("lost", ["key", "account", "permission"])
def test_a_producer_that_was_switched_off_stores_nothing(
    redis: Redis, worker: Ingest, robot: AgentProducerKey, ann: User, lost: str
) -> None:
    add(redis, robot, "start", started(ann))
    if lost == "key":
        AgentProducerKey.objects.update(is_active=False)
    elif lost == "account":
        User.objects.filter(pk=robot.user_id).update(is_active=False)
    else:
        robot.user.user_permissions.clear()
    worker.step(block_ms=10)
    assert codes(redis) == ["FORBIDDEN" if lost == "permission" else "AUTH_INVALID"]


def test_an_entry_that_somebody_deleted_is_counted_and_forgotten(
    redis: Redis, worker: Ingest, robot: AgentProducerKey, ann: User
) -> None:
    entry_id = add(redis, robot, "start", started(ann))
    redis.xreadgroup(ingest.GROUP, "1", {KEY: ">"})
    redis.xdel(KEY, entry_id)
    Ingest(redis, "gw").prepare()
    assert (codes(redis), pending(redis)) == (["ENTRY_GONE"], 0)


@pytest.mark.django_db(transaction=True)
def test_the_worker_recovers_from_a_flushed_redis_and_ends_when_told(
    redis: Redis, robot: AgentProducerKey, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "RETRY_S", 0.01)
    rounds = 0

    def wait(_seconds: float) -> bool:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            redis.flushall()  # between prepare and the first read: the group is gone
        if rounds == 4:
            add(redis, robot, "start", started(ann))
        return AgentRun.objects.exists()

    run_for_ever("gw", "1", wait)
    assert AgentRun.objects.get().producer_id == robot.user_id


def test_a_key_is_printed_once_and_signs(redis: Redis, worker: Ingest, ann: User) -> None:
    user = User.objects.create_user("robot@example.org")
    user.groups.add(Group.objects.get(name="agent_producers"))
    out = io.StringIO()
    call_command("agents_producer", "--name", "robot", "--user", user.mail, stdout=out)
    secret = out.getvalue().strip()
    assert len(secret) >= 32
    add(redis, AgentProducerKey(name="robot", secret=secret), "start", started(ann))
    worker.step(block_ms=10)
    assert codes(redis) == []


def test_a_key_is_replaced_only_when_asked(robot: AgentProducerKey) -> None:
    arguments = ["agents_producer", "--name", "robot", "--user", robot.user.mail]
    with pytest.raises(CommandError, match="--renew"):
        call_command(*arguments)
    call_command(*arguments, "--renew", stdout=io.StringIO())
    assert AgentProducerKey.objects.get().secret != robot.secret


@pytest.mark.parametrize(("name", "user"), [("a b", None), ("", None), ("ok", "nobody@example.org")])
def test_a_key_needs_a_name_and_an_account(name: str, user: str | None) -> None:
    mail = user or new_user("producer").mail
    with pytest.raises(CommandError):
        call_command("agents_producer", "--name", name, "--user", mail)


def test_the_admin_site_never_shows_a_key(client: Any, robot: AgentProducerKey) -> None:
    client.force_login(User.objects.create_superuser("root@example.org"))
    for path in ("", f"{robot.pk}/change/"):
        page = client.get(f"/admin/cache_streams/agentproducerkey/{path}")
        assert page.status_code == 200
        assert robot.secret.encode() not in page.content
    assert client.get("/admin/cache_streams/agentproducerkey/add/").status_code == 403
