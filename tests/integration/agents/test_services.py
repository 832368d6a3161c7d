"""Starting, appending, cancelling and timing out: what is stored, and what is refused."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from redis import Redis

from accounts.models import User
from cache_streams.agents import selectors, services
from cache_streams.agents.models import AgentEvent, AgentRun, AgentUserLog
from cache_streams.agents.refusals import AgentRefused, Invalid
from cache_streams.agents.rights import Caller
from cache_streams.agents.services import Appended, append_events, cancel_run, time_out_run
from cache_streams.agents.wire import read_event, read_start
from cache_streams.metrics import AGENTS_APPENDED, AGENTS_ISOLATION_REFUSALS, AGENTS_OUT_OF_ORDER
from tests.counts import counted
from tests.integration.agents.people import caller, new_user, start

pytestmark = pytest.mark.django_db

THINKING = {"type": "agent_thinking", "reasoning": "r"}
EXECUTING = {"type": "tool_executing", "tool_name": "lookup", "parameters": {}}
COMPLETED = {"type": "tool_completed", "tool_name": "lookup", "results": 1, "duration": 0.5, "success": True}
SUCCESS = {"type": "agent_completed", "status": "success", "final_response": "Done."}


def append(who: Caller, run_id: str, *events: dict[str, Any]) -> Appended:
    return append_events(who, run_id, [read_event(event) for event in events])


def code_of(refused: pytest.ExceptionInfo[AgentRefused]) -> str:
    return refused.value.code


def stored(user_id: int) -> list[dict[str, Any]]:
    return selectors.events_after(user_id, 0)


def test_a_run_of_all_five_events_is_numbered_without_gaps() -> None:
    ann = caller(new_user())
    run = start(ann, run_id="run-7", thread_id="th-2", task="Why?")
    appended = append(ann, "run-7", THINKING, EXECUTING, COMPLETED, SUCCESS)
    events = stored(ann.user_id)
    assert [event["type"] for event in events] == [
        "agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed",
    ]  # fmt: skip
    assert [event["seq"] for event in events] == [event["cursor"] for event in events] == [1, 2, 3, 4, 5]
    assert (run.seq, run.cursor, run.event_id) == (1, 1, events[0]["event_id"])
    assert [placed.event_id for placed in appended.events] == [event["event_id"] for event in events[1:]]
    row = AgentRun.objects.get(pk="run-7")
    assert (row.status, row.last_seq, row.open_tools) == ("success", 5, [])
    assert row.completed_at is not None


def test_every_event_says_whose_it_is_and_when() -> None:
    ann = caller(new_user())
    before = timezone.now() - timedelta(milliseconds=1)
    start(ann, run_id="run-7", thread_id="th-2")
    (event,) = stored(ann.user_id)
    uuid.UUID(event["event_id"])
    assert (event["run_id"], event["thread_id"]) == ("run-7", "th-2")
    assert (event["user_id"], event["agent_name"]) == (str(ann.user_id), "triage")
    assert (event["stream"], event["version"]) == ("agents", 1)
    assert before.timestamp() * 1000 <= event["timestamp_ms"] <= timezone.now().timestamp() * 1000
    assert event["timestamp"].endswith("Z")
    assert event["user_context"] == {"roles": ["user"], "permissions": ["agent_execute", "read", "write"]}


def test_the_gateway_fills_status_and_execution() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    append(ann, "r", THINKING, EXECUTING, {**COMPLETED, "success": False}, SUCCESS)
    _, thinking, executing, completed, ended = stored(ann.user_id)
    assert thinking["status"] == "thinking"
    assert (executing["status"], len(executing["execution_id"])) == ("executing", 32)
    assert (completed["status"], completed["execution_id"]) == ("failed", executing["execution_id"])
    assert ended["status"] == "success"


def test_cursors_count_over_all_runs_of_a_user_and_over_no_others() -> None:
    ann, bob = caller(new_user()), caller(new_user())
    for who, run_id in ((ann, "a1"), (bob, "b1"), (ann, "a2")):
        start(who, run_id=run_id, thread_id="same thread")
    append(ann, "a1", THINKING)
    assert [(e["run_id"], e["seq"], e["cursor"]) for e in stored(ann.user_id)] == [
        ("a1", 1, 1),
        ("a2", 1, 2),
        ("a1", 2, 3),
    ]
    assert [(e["run_id"], e["cursor"]) for e in stored(bob.user_id)] == [("b1", 1)]


def test_an_event_out_of_order_changes_nothing_and_the_run_goes_on() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    with counted(AGENTS_OUT_OF_ORDER), pytest.raises(AgentRefused) as refused:
        append(ann, "r", COMPLETED)
    assert code_of(refused) == "OUT_OF_ORDER"
    assert refused.value.details == {
        "state": "RUNNING", "allowed": ["agent_thinking", "tool_executing", "agent_completed"],
    }  # fmt: skip
    assert append(ann, "r", THINKING).events[0].seq == 2


def test_a_batch_with_one_bad_event_stores_none() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    with pytest.raises(AgentRefused):
        append(ann, "r", THINKING, THINKING, COMPLETED)
    assert len(stored(ann.user_id)) == 1
    assert AgentUserLog.objects.get().last_cursor == 1


def test_a_finished_run_takes_nothing_more() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    append(ann, "r", SUCCESS)
    with pytest.raises(AgentRefused) as refused:
        append(ann, "r", THINKING)
    assert code_of(refused) == "RUN_CLOSED"


def test_an_event_id_names_its_event_once() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    event = {**SUCCESS, "event_id": str(uuid.uuid4())}
    first, again = append(ann, "r", event), append(ann, "r", event)
    assert not first.duplicate
    assert again.duplicate
    assert (again.events[0].seq, again.events[0].cursor) == (first.events[0].seq, first.events[0].cursor)
    assert len(stored(ann.user_id)) == 2
    with pytest.raises(AgentRefused) as refused:
        append(ann, "r", {**event, "final_response": "Other."})
    assert code_of(refused) == "EVENT_ID_CONFLICT"


def test_an_event_twice_in_one_batch_is_stored_once() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    event = {**THINKING, "event_id": str(uuid.uuid4())}
    appended = append(ann, "r", event, event)
    assert [placed.duplicate for placed in appended.events] == [False, True]
    assert not appended.duplicate
    assert len(stored(ann.user_id)) == 2


def test_the_same_event_id_may_stand_in_two_runs() -> None:
    ann = caller(new_user())
    event = {**THINKING, "event_id": str(uuid.uuid4())}
    for run_id in ("r1", "r2"):
        start(ann, run_id=run_id)
        assert not append(ann, run_id, event).duplicate


def test_an_expected_seq_that_is_not_next_is_refused_with_the_right_one() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    append(ann, "r", {**THINKING, "expected_seq": 2}, {**THINKING, "expected_seq": 3})
    with pytest.raises(AgentRefused) as refused:
        append(ann, "r", {**THINKING, "expected_seq": 3})
    assert (code_of(refused), refused.value.details) == ("SEQUENCE_MISMATCH", {"next_seq": 4})


@pytest.mark.parametrize("status", ["failed", "cancelled", "timeout"])
def test_an_aborting_end_closes_open_tools_in_opening_order(status: str) -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    ids = ["b", "a"]
    append(ann, "r", *({**EXECUTING, "execution_id": name} for name in ids))
    append(ann, "r", {"type": "agent_completed", "status": status, "final_response": ""})
    *_, first, second, ended = stored(ann.user_id)
    for event, name in ((first, "b"), (second, "a")):
        assert (event["type"], event["execution_id"]) == ("tool_completed", name)
        assert (event["success"], event["error"], event["status"]) == (False, "aborted", "failed")
        assert event["duration"] >= 0
    assert (ended["seq"], ended["status"]) == (6, status)


def test_among_several_open_tools_an_answer_must_name_its_own() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    append(ann, "r", EXECUTING, EXECUTING)
    with pytest.raises(Invalid) as refused:
        append(ann, "r", COMPLETED)
    assert set(refused.value.errors) == {"execution_id"}


def test_a_producers_own_time_is_passed_on() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    append(ann, "r", {**THINKING, "producer_timestamp": 1.5})
    assert stored(ann.user_id)[1]["producer_timestamp"] == 1.5


@pytest.mark.parametrize("text", ["\x00", "\ud83d\ude00é\u2028", "\\u0000", "<&>"])
def test_any_text_comes_back_as_it_was(text: str) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    ann = caller(new_user())
    start(ann, run_id="r")
    append(ann, "r", {**THINKING, "reasoning": text}, {**EXECUTING, "parameters": {text: text}})
    _, thinking, executing = stored(ann.user_id)
    assert thinking["reasoning"] == text
    assert executing["parameters"] == {text: text}


# -- start ------------------------------------------------------------------------------------------------------------


def test_a_start_without_ids_gets_them() -> None:
    run = start(caller(new_user()))
    assert str(uuid.UUID(run.run_id)) == run.run_id
    assert (run.thread_id, run.status, run.created) == (run.run_id, "running", True)


def test_an_equal_start_is_recognised_and_appends_nothing() -> None:
    ann = caller(new_user())
    first = start(ann, run_id="r", task="t")
    append(ann, "r", SUCCESS)
    again = start(ann, task="t", run_id="r")
    assert again == services.Started(**{**_members(first), "created": False})
    assert len(stored(ann.user_id)) == 2


def _members(started: services.Started) -> dict[str, Any]:
    return {name: getattr(started, name) for name in services.Started.__dataclass_fields__}


def test_another_body_under_the_same_run_id_is_refused() -> None:
    ann = caller(new_user())
    start(ann, run_id="r", task="t")
    with pytest.raises(AgentRefused) as refused:
        start(ann, run_id="r", task="other")
    assert code_of(refused) == "RUN_ID_UNAVAILABLE"


def test_a_run_id_of_somebody_else_is_refused_in_the_same_words() -> None:
    ann, bob = caller(new_user()), caller(new_user())
    start(ann, run_id="r", task="t")
    texts = set()
    for who, task in ((ann, "other"), (bob, "t")):
        with pytest.raises(AgentRefused) as refused:
            start(who, run_id="r", task=task)
        texts.add((refused.value.code, refused.value.text, str(refused.value.details)))
    assert len(texts) == 1


def test_an_idempotency_key_names_one_start_of_one_caller() -> None:
    ann, bob = caller(new_user()), caller(new_user())
    first = _keyed(ann, "k", task="t")
    assert _keyed(ann, "k", task="t").run_id == first.run_id
    assert _keyed(bob, "k", task="t").run_id != first.run_id
    with pytest.raises(AgentRefused) as refused:
        _keyed(ann, "k", task="other")
    assert code_of(refused) == "RUN_ID_UNAVAILABLE"


def _keyed(who: Caller, key: str, **body: object) -> services.Started:
    return services.start_run(who, read_start({"agent_name": "triage", **body}), key)


def test_a_run_may_begin_before_it_is_reported() -> None:
    ann = caller(new_user())
    run = start(ann, run_id="r", emit_started=False)
    assert (run.status, run.seq, run.cursor, run.event_id) == ("new", 0, 0, None)
    with pytest.raises(AgentRefused) as refused:
        append(ann, "r", THINKING)
    assert refused.value.details["allowed"] == ["agent_started"]
    append(ann, "r", {"type": "agent_started", "task": "t"}, THINKING)
    assert stored(ann.user_id)[0]["user_context"]["roles"] == ["user"]


def test_open_runs_are_bounded_and_closed_ones_do_not_count(settings: Settings) -> None:
    settings.AGENTS_OPEN_RUNS_MAX = 2
    ann = caller(new_user())
    start(ann, run_id="r1")
    start(ann, run_id="r2")
    with pytest.raises(AgentRefused) as refused:
        start(ann)
    assert code_of(refused) == "RATE_LIMITED"
    append(ann, "r1", SUCCESS)
    start(ann)


# -- rights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "producer"])
def test_who_lacks_agent_execute_starts_nothing_for_itself(role: str) -> None:
    with pytest.raises(AgentRefused) as refused:
        start(caller(new_user(role)))
    assert code_of(refused) == "FORBIDDEN"


@pytest.mark.parametrize("role", ["user", "admin"])
def test_users_and_administrators_run_their_own(role: str) -> None:
    who = caller(new_user(role))
    run = start(who)
    assert append(who, run.run_id, THINKING).events[0].cursor == 2


def test_a_token_takes_rights_away_and_adds_none() -> None:
    user, viewer = new_user("user"), new_user("viewer")
    assert caller(user, ["read"]).permissions == {"read"}
    assert caller(viewer, ["read", "agent_execute", "admin"]).permissions == {"read"}
    assert caller(user, []).permissions == frozenset()


@pytest.mark.parametrize(
    ("role", "roles", "permissions"),
    [
        ("viewer", ["viewer"], ["read"]),
        ("user", ["user"], ["agent_execute", "read", "write"]),
        ("admin", ["admin"], ["admin", "agent_execute", "read", "write"]),
        ("producer", ["producer"], ["publish_any"]),
    ],
)
def test_each_role_has_its_permissions(role: str, roles: list[str], permissions: list[str]) -> None:
    assert caller(new_user(role)).context() == {"roles": roles, "permissions": permissions}


def test_the_role_of_everybody_else_is_a_setting(settings: Settings) -> None:
    settings.AGENTS_DEFAULT_ROLE = "user"
    assert caller(new_user("viewer")).roles == ("user",)


@pytest.mark.parametrize(
    ("group", "permissions"),
    [
        ("agent_producers", ["publish_any"]),
        ("trader", ["agent_execute", "read", "write"]),
        ("viewer", ["read"]),
    ],
)
def test_groups_grant_what_they_stand_for(group: str, permissions: list[str]) -> None:
    user = new_user("viewer")
    user.groups.add(Group.objects.get(name=group))
    assert caller(user).context()["permissions"] == permissions


def test_an_administrator_publishes_for_nobody_else() -> None:
    root = caller(User.objects.create_superuser("root@example.org"))
    with pytest.raises(AgentRefused) as refused:
        start(root, user_id=new_user().pk)
    assert code_of(refused) == "FORBIDDEN"


def test_a_run_of_somebody_else_does_not_exist() -> None:
    ann, bob = caller(new_user()), caller(new_user())
    start(ann, run_id="r")
    answers = set()
    for run_id in ("r", "unknown", "no/id", "x\x00"):
        with pytest.raises(AgentRefused) as appending:
            append(bob, run_id, THINKING)
        with pytest.raises(AgentRefused) as cancelling:
            cancel_run(bob, run_id)
        for refused in (appending.value, cancelling.value):
            answers.add((refused.code, refused.text, str(refused.details)))
    assert answers == {("RUN_NOT_FOUND", "There is no such run.", "{}")}
    assert selectors.run_of(bob.user_id, "r") is None


def test_a_producer_starts_and_publishes_for_others_and_only_there() -> None:
    ann, robot, other = caller(new_user()), caller(new_user("producer")), caller(new_user("producer"))
    run = start(robot, run_id="r", user_id=str(ann.user_id))
    assert run.user_id == ann.user_id
    append(robot, "r", {**THINKING, "user_id": ann.user_id})
    append(ann, "r", THINKING)
    for who, run_id in ((other, "r"), (robot, start(ann).run_id)):
        with pytest.raises(AgentRefused) as refused:
            append(who, run_id, THINKING)
        assert code_of(refused) == "RUN_NOT_FOUND"
    assert stored(robot.user_id) == []
    assert stored(ann.user_id)[0]["user_context"]["roles"] == ["user"]


@pytest.mark.parametrize("gone", ["unknown", "inactive"])
def test_a_producer_names_active_users_only(gone: str) -> None:
    robot = caller(new_user("producer"))
    user_id = 10**9 if gone == "unknown" else new_user(is_active=False).pk
    with pytest.raises(Invalid) as refused:
        start(robot, user_id=user_id)
    assert set(refused.value.errors) == {"user_id"}


def test_naming_somebody_else_is_refused_and_counted() -> None:
    ann, bob = caller(new_user()), caller(new_user())
    start(ann, run_id="r")
    with counted(AGENTS_ISOLATION_REFUSALS, times=2):
        for ask in (
            lambda: start(ann, user_id=bob.user_id),
            lambda: append(ann, "r", {**THINKING, "user_id": bob.user_id}),
        ):
            with pytest.raises(AgentRefused) as refused:
                ask()
            assert code_of(refused) == "FORBIDDEN"
    assert len(stored(ann.user_id)) == 1
    assert stored(bob.user_id) == []


def test_naming_oneself_is_fine() -> None:
    ann = caller(new_user())
    start(ann, run_id="r", user_id=ann.user_id)
    append(ann, "r", {**THINKING, "user_id": str(ann.user_id), "run_id": "r"})


def test_an_event_that_names_another_run_is_refused() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    with pytest.raises(Invalid):
        append(ann, "r", {**THINKING, "run_id": "r2"})


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_cancelled_run_ends_with_the_tools_that_were_open() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    append(ann, "r", EXECUTING)
    ended = cancel_run(ann, "r")
    assert [placed.seq for placed in ended.events] == [3, 4]
    assert stored(ann.user_id)[-1]["status"] == "cancelled"
    with pytest.raises(AgentRefused) as refused:
        cancel_run(ann, "r")
    assert code_of(refused) == "RUN_CLOSED"


def test_a_run_that_was_never_reported_is_reported_when_it_is_cancelled() -> None:
    ann = caller(new_user())
    start(ann, run_id="r", emit_started=False)
    cancel_run(ann, "r")
    assert [event["type"] for event in stored(ann.user_id)] == ["agent_started", "agent_completed"]


def test_only_an_idle_run_times_out() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    now, never = timezone.now(), timezone.now() - timedelta(days=1)
    assert not time_out_run("r", idle_since=now - timedelta(minutes=5), open_since=never)
    assert time_out_run("r", idle_since=now + timedelta(minutes=5), open_since=never)
    assert not time_out_run("r", idle_since=now + timedelta(minutes=5), open_since=never)
    assert stored(ann.user_id)[-1]["status"] == "timeout"


def test_a_run_open_for_too_long_times_out() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    now = timezone.now()
    assert time_out_run("r", idle_since=now - timedelta(days=1), open_since=now + timedelta(minutes=1))


# -- after the commit ---------------------------------------------------------------------------------------------------


def test_a_commit_is_counted_and_announced(
    fresh_redis: Any, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    ann = caller(new_user())
    with (
        counted(AGENTS_APPENDED, "agent_started"),
        counted(AGENTS_APPENDED, "agent_thinking", times=2),
        django_capture_on_commit_callbacks(execute=True),
    ):
        start(ann, run_id="r")
        append(ann, "r", THINKING, THINKING)
    with Redis.from_url(fresh_redis.url) as client:
        news = [fields for _, fields in client.xrange("gw:agents:notices")]
    assert news == [{str(ann.user_id).encode(): cursor} for cursor in (b"1", b"3")]


def test_a_repetition_is_not_announced(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    with django_capture_on_commit_callbacks() as callbacks:
        start(ann, run_id="r")
    assert callbacks == []


# -- the database itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [{"cursor": 1}, {"seq": 1}, {"event_id": "first"}, {"type": "other"}, {"seq": 0}, {"cursor": 0}],
)
def test_the_database_refuses_a_row_that_breaks_the_log(changed: dict[str, Any]) -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    row = AgentEvent.objects.get()
    members = {"cursor": 2, "seq": 2, "event_id": uuid.uuid4(), "type": "agent_thinking", **changed}
    if members["event_id"] == "first":
        members["event_id"] = row.event_id
    with pytest.raises(IntegrityError), transaction.atomic():
        AgentEvent.objects.create(
            user_id=ann.user_id, run_id="r", body=json.dumps({}), created_at=timezone.now(), **members
        )


def test_the_database_refuses_a_floor_above_the_end() -> None:
    start(caller(new_user()))
    with pytest.raises(IntegrityError), transaction.atomic():
        AgentUserLog.objects.update(floor_cursor=2)


@pytest.mark.parametrize(
    "changed", [{"status": "other"}, {"status": "success"}, {"completed_at": timezone.now()}]
)
def test_the_database_refuses_a_run_that_has_ended_by_half(changed: dict[str, Any]) -> None:
    start(caller(new_user()))
    with pytest.raises(IntegrityError), transaction.atomic():
        AgentRun.objects.update(**changed)


def test_deleting_a_user_takes_runs_and_log_along() -> None:
    user = new_user()
    start(caller(user))
    user.delete()
    assert (AgentRun.objects.count(), AgentEvent.objects.count(), AgentUserLog.objects.count()) == (0, 0, 0)


def test_an_append_costs_a_fixed_number_of_queries() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    counts = []
    for number in (1, 50):
        with CaptureQueriesContext(connection) as queries:
            append(ann, "r", *[THINKING] * number)
        counts.append(len([query for query in queries if "SAVEPOINT" not in query["sql"]]))
    # One to read and lock, one to store; SQLite, to which there is no trip, cannot store in one.
    per_append = 2 if connection.vendor == "postgresql" else 4
    assert counts == [per_append, per_append]
