"""REST about agent runs: statuses, bodies, and who is told what."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import structlog
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User
from accounts.tokens import issue_access_token
from cache_streams.agents.models import AgentEvent, AgentUserLog
from cache_streams.health import CHECKER
from tests.conftest import TokenFactory
from tests.integration.agents.people import new_user

pytestmark = pytest.mark.django_db

RUNS = "/api/v1/agents/runs/"
EVENTS = "/api/v1/agents/events/"
ERROR_MEMBERS = {"detail", "success", "error_code", "error", "request_id"}
THINKING = {"type": "agent_thinking", "reasoning": "r"}
SUCCESS = {"type": "agent_completed", "status": "success", "final_response": "Done."}
Answer = Any  # Any: Django's test client adds to HttpResponse


class Api:
    """Requests of one user."""

    def __init__(self, client: Client, user: User) -> None:
        self.client, self.user = client, user
        self._headers = {"Authorization": f"Bearer {issue_access_token(user)}", "X-Request-ID": "r1"}

    def get(self, path: str, **query: str | int) -> Answer:
        return self.client.get(path, query, headers=self._headers)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        return self.client.post(
            path, body or {}, content_type="application/json", headers={**self._headers, **headers}
        )

    def start(self, **body: object) -> Answer:
        return self.post(RUNS, {"agent_name": "triage", **body})

    def append(self, run_id: str, *events: dict[str, Any]) -> Answer:
        body = events[0] if len(events) == 1 else {"events": events}
        return self.post(f"{RUNS}{run_id}/events/", body)


@pytest.fixture
def ann(client: Client) -> Api:
    return Api(client, new_user())


@pytest.fixture
def bob(client: Client) -> Api:
    return Api(client, new_user())


def test_a_start_is_answered_with_its_first_event(ann: Api) -> None:
    answer = ann.start(run_id="run-7", thread_id="th-2", task="Why?")
    assert answer.status_code == 201
    told = answer.json()
    uuid.UUID(told.pop("event_id"))
    assert told == {
        "run_id": "run-7", "thread_id": "th-2", "user_id": str(ann.user.pk), "status": "running", "seq": 1, "cursor": 1,
    }  # fmt: skip


def test_an_equal_start_is_answered_200_in_the_same_words(ann: Api) -> None:
    first, again = ann.start(run_id="r"), ann.start(run_id="r")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_an_idempotency_key_makes_a_start_repeatable(ann: Api) -> None:
    body = {"agent_name": "triage"}
    first, again = (ann.post(RUNS, body, **{"Idempotency-Key": "k 1".replace(" ", "-")}) for _ in range(2))
    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize("key", ["", "a b", "x" * 65])
def test_an_odd_idempotency_key_is_refused(ann: Api, key: str) -> None:
    answer = ann.post(RUNS, {"agent_name": "triage"}, **{"Idempotency-Key": key})
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {"Idempotency-Key"})


def test_an_event_is_answered_with_its_numbers(ann: Api) -> None:
    ann.start(run_id="r")
    answer = ann.append("r", THINKING)
    assert answer.status_code == 201
    (event,) = answer.json()["events"]
    assert answer.json() == {"run_id": "r", "first_seq": 2, "last_seq": 2, "cursor": 2, "events": [event]}
    assert set(event) == {"event_id", "seq", "cursor"}


def test_a_batch_is_answered_as_a_whole(ann: Api) -> None:
    ann.start(run_id="r")
    told = ann.append("r", THINKING, THINKING, SUCCESS).json()
    assert (told["first_seq"], told["last_seq"], told["cursor"]) == (2, 4, 4)


def test_a_repeated_event_is_answered_200_with_the_original_numbers(ann: Api) -> None:
    ann.start(run_id="r")
    event = {**THINKING, "event_id": str(uuid.uuid4())}
    first, again = ann.append("r", event), ann.append("r", event)
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert again.json()["events"][0] == {**first.json()["events"][0], "duplicate": True}


@pytest.mark.parametrize(
    ("event", "status", "code", "more"),
    [
        ({"type": "tool_completed", "tool_name": "t", "results": 1, "duration": 1, "success": True},
         409, "OUT_OF_ORDER",
         {"state": "RUNNING", "allowed": ["agent_thinking", "tool_executing", "agent_completed"]}),
        ({**THINKING, "expected_seq": 9}, 409, "SEQUENCE_MISMATCH", {"next_seq": 2}),
        ({**THINKING, "user_id": 10**9}, 403, "FORBIDDEN", {}),
        ({**THINKING, "reasoning": "x" * 70_000}, 413, "TOO_LARGE", {}),
        ({**THINKING, "seq": 7}, 422, "VALIDATION_ERROR", {"errors": {"seq": ["seq is filled by the gateway alone"]}}),
        ({"type": "agent_thinking"}, 422, "VALIDATION_ERROR", {"errors": {"reasoning": ["Field required"]}}),
        ([], 422, "VALIDATION_ERROR", {"errors": {"body": ["must be an object"]}}),
    ],
)  # fmt: skip
def test_a_refusal_has_its_status_code_and_facts(
    ann: Api, event: Any, status: int, code: str, more: dict[str, Any]
) -> None:
    ann.start(run_id="r")
    answer = ann.client.post(f"{RUNS}r/events/", event, content_type="application/json", headers=ann._headers)
    told = answer.json()
    assert (answer.status_code, told["error_code"], told["success"]) == (status, code, False)
    assert {name: told[name] for name in more} == more
    assert set(told) == ERROR_MEMBERS | set(more)
    assert len(ann.get(f"{RUNS}r/events/").json()["events"]) == 1


def test_a_closed_run_and_a_taken_id_are_409(ann: Api, bob: Api) -> None:
    ann.start(run_id="r")
    ann.append("r", SUCCESS)
    codes = [
        (a.status_code, a.json()["error_code"]) for a in (ann.append("r", THINKING), bob.start(run_id="r"))
    ]
    assert codes == [(409, "RUN_CLOSED"), (409, "RUN_ID_UNAVAILABLE")]


@pytest.mark.parametrize("token", [None, "garbage", "a.b.c"])
@pytest.mark.parametrize(
    "path", [RUNS, f"{RUNS}r/", f"{RUNS}r/events/", EVENTS, "/api/v1/agents/admin/runs/"]
)
def test_nobody_is_told_401_with_a_challenge(client: Client, path: str, token: str | None) -> None:
    answer = client.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_an_expired_token_starts_nothing(client: Client, ann: Api, token: TokenFactory) -> None:
    stale = {"Authorization": f"Bearer {token(ann.user.pk, exp=1)}"}
    answer = client.post(RUNS, {"agent_name": "a"}, content_type="application/json", headers=stale)
    assert answer.status_code == 401


def operations(api: Api) -> dict[str, int]:
    return {
        "start": api.start().status_code,
        "append": api.append("unknown", THINKING).status_code,
        "cancel": api.post(f"{RUNS}unknown/cancel/").status_code,
        "list": api.get(RUNS).status_code,
        "admin": api.get("/api/v1/agents/admin/runs/").status_code,
    }


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        ("viewer", {"start": 403, "append": 403, "cancel": 403, "list": 200, "admin": 403}),
        ("user", {"start": 201, "append": 404, "cancel": 404, "list": 200, "admin": 403}),
        ("admin", {"start": 201, "append": 404, "cancel": 404, "list": 200, "admin": 200}),
        ("producer", {"start": 403, "append": 404, "cancel": 404, "list": 403, "admin": 403}),
    ],
)
def test_each_role_may_what_it_may(client: Client, role: str, statuses: dict[str, int]) -> None:
    assert operations(Api(client, new_user(role))) == statuses


def test_a_narrowed_token_may_only_read(client: Client, ann: Api, token: TokenFactory) -> None:
    headers = {"Authorization": f"Bearer {token(ann.user.pk, permissions=['read'])}"}
    assert client.get(RUNS, headers=headers).status_code == 200
    refused = client.post(RUNS, {"agent_name": "a"}, content_type="application/json", headers=headers)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", f"{RUNS}%s/", None),
        ("get", f"{RUNS}%s/events/", None),
        ("post", f"{RUNS}%s/events/", THINKING),
        ("post", f"{RUNS}%s/cancel/", None),
    ],
)
def test_somebody_elses_run_is_answered_byte_for_byte_as_an_unknown_one(
    ann: Api, bob: Api, method: str, path: str, body: dict[str, Any] | None
) -> None:
    ann.start(run_id="r")
    paths = [path % run_id for run_id in ("r", "unknown", "%00")]
    answers = [bob.get(each) if method == "get" else bob.post(each, body) for each in paths]
    for answer in answers:
        for name in (
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
        ):  # which go on with each request, whatever it asks
            del answer.headers[name]
    assert {(a.status_code, a.content, str(a.headers)) for a in answers} == {
        (404, answers[0].content, str(answers[0].headers))
    }
    assert answers[0].json()["error_code"] == "RUN_NOT_FOUND"


def test_own_runs_are_listed_newest_first_and_filtered(ann: Api, bob: Api) -> None:
    for run_id, thread in (("r1", "a"), ("r2", "b"), ("r3", "b")):
        ann.start(run_id=run_id, thread_id=thread)
    bob.start(run_id="b1", thread_id="b")
    ann.append("r3", SUCCESS)

    def ids(**query: str | int) -> list[str]:
        return [run["run_id"] for run in ann.get(RUNS, **query).json()["runs"]]

    assert ids() == ["r3", "r2", "r1"]
    assert ids(thread_id="b") == ["r3", "r2"]
    assert ids(status="success") == ["r3"]
    assert ids(status="running", limit=1) == ["r2"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (RUNS, {"limit": "0"}),
        (RUNS, {"limit": "201"}),
        (RUNS, {"limit": "x"}),
        (RUNS, {"status": "done"}),
        (RUNS, {"thread_id": "a\x00"}),
        (EVENTS, {"after": "-1"}),
        (EVENTS, {"after": "1" * 19}),
        (EVENTS, {"limit": "1e3"}),
    ],
)
def test_a_bad_query_names_its_parameter(ann: Api, path: str, query: dict[str, str]) -> None:
    answer = ann.get(path, **query)
    assert (answer.status_code, set(answer.json()["errors"])) == (422, set(query))


def test_a_run_tells_its_state_without_what_was_said(ann: Api) -> None:
    ann.start(run_id="r", thread_id="t", task="secret plan", profile="strict")
    ann.append("r", {"type": "tool_executing", "tool_name": "x", "parameters": {}, "execution_id": "x1"})
    told = ann.get(f"{RUNS}r").json()
    assert told["open_tools"] == [{"execution_id": "x1", "tool_name": "x"}]
    assert (told["status"], told["last_seq"], told["profile"], told["thread_id"]) == (
        "running",
        2,
        "strict",
        "t",
    )
    assert told["completed_at"] is None
    assert "secret plan" not in str(told)


def test_events_of_a_run_are_replayed_in_pages(ann: Api) -> None:
    ann.start(run_id="r")
    ann.append("r", *[THINKING] * 4)
    first = ann.get(f"{RUNS}r/events/", limit=3).json()
    rest = ann.get(f"{RUNS}r/events/", after_seq=first["last_seq"]).json()
    assert [event["seq"] for event in first["events"] + rest["events"]] == [1, 2, 3, 4, 5]
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_a_replayed_event_has_the_dual_form(ann: Api) -> None:
    ann.start(run_id="r", task="Why?")
    (event,) = ann.get(EVENTS).json()["events"]
    assert event["replayed"] is True
    assert event["task"] == event["payload"]["task"] == "Why?"
    assert event["payload"]["timestamp"] == event["timestamp"]


@pytest.mark.parametrize(("form", "top", "grouped"), [("flat", True, False), ("payload", False, True)])
def test_the_form_is_a_setting(ann: Api, settings: Settings, form: str, *, top: bool, grouped: bool) -> None:
    settings.AGENTS_WIRE_FORM = form
    ann.start(run_id="r", task="Why?")
    (event,) = ann.get(EVENTS).json()["events"]
    assert ("task" in event, "payload" in event) == (top, grouped)


def test_all_events_are_replayed_from_a_cursor(ann: Api, bob: Api) -> None:
    for api, run_id in ((ann, "r1"), (bob, "b1"), (ann, "r2")):
        api.start(run_id=run_id)
        api.append(run_id, THINKING)
    page = ann.get(EVENTS, after=1, limit=2).json()
    assert [(event["run_id"], event["cursor"]) for event in page["events"]] == [("r1", 2), ("r2", 3)]
    assert (page["cursor"], page["tail"], page["oldest"], page["has_more"]) == (3, 4, 1, True)
    assert page["gap"] is None
    end = ann.get(EVENTS, after=4).json()
    assert (end["events"], end["cursor"], end["has_more"]) == ([], 4, False)


def test_who_never_ran_anything_has_an_empty_log(ann: Api) -> None:
    assert ann.get(EVENTS).json() == {
        "log_id": None, "tail": 0, "oldest": 1, "gap": None, "events": [], "cursor": 0, "has_more": False,
    }  # fmt: skip


def test_a_cursor_beyond_the_end_is_invalid(ann: Api) -> None:
    ann.start()
    answer = ann.get(EVENTS, after=2)
    assert (answer.status_code, answer.json()["error_code"], answer.json()["tail"]) == (
        422,
        "INVALID_CURSOR",
        1,
    )


def test_what_was_trimmed_is_told_with_its_number(ann: Api) -> None:
    ann.start(run_id="r")
    ann.append("r", THINKING, THINKING, SUCCESS)
    AgentEvent.objects.filter(cursor__lte=3).delete()
    AgentUserLog.objects.update(floor_cursor=3)
    page = ann.get(EVENTS, after=1).json()
    assert page["gap"] == {"requested": 1, "oldest": 4, "lost": 2, "reason": "trimmed"}
    assert [event["cursor"] for event in page["events"]] == [4]
    assert ann.get(EVENTS).json()["gap"] is None


def test_another_log_is_told_as_a_reset(ann: Api) -> None:
    ann.start()
    page = ann.get(EVENTS, after=7, log_id=str(uuid.uuid4())).json()
    assert page["gap"]["reason"] == "log_reset"
    assert [event["cursor"] for event in page["events"]] == [1]
    assert ann.get(EVENTS, after=1, log_id=page["log_id"]).json()["gap"] is None


def test_pages_are_bounded_in_bytes(ann: Api) -> None:
    ann.start(run_id="r")
    large = {"type": "tool_executing", "tool_name": "t", "parameters": {"a": "x" * 60_000}}
    done = {"type": "tool_completed", "tool_name": "t", "results": 1, "duration": 1, "success": True}
    for _ in range(20):
        ann.append("r", large)
        ann.append("r", done)
    page = ann.get(f"{RUNS}r/events/", limit=200).json()
    assert page["has_more"]
    assert 10 < len(page["events"]) < 41


def test_a_cancel_is_answered_with_the_end(ann: Api) -> None:
    ann.start(run_id="r")
    answer = ann.post(f"{RUNS}r/cancel/")
    assert (answer.status_code, answer.json()["last_seq"]) == (200, 2)
    again = ann.post(f"{RUNS}r/cancel/")
    assert (again.status_code, again.json()["error_code"]) == (409, "RUN_CLOSED")


def test_administrators_see_metadata_and_each_look_is_logged(client: Client, ann: Api) -> None:
    ann.start(run_id="r", thread_id="private thread", task="secret plan", context={"a": "inner"})
    admin = Api(client, new_user("admin"))
    with structlog.testing.capture_logs() as logs:
        answer = admin.get("/api/v1/agents/admin/runs/", user_id=ann.user.pk, status="running")
    (run,) = answer.json()["runs"]
    assert (run["run_id"], run["user_id"], run["last_seq"]) == ("r", str(ann.user.pk), 1)
    assert not any(secret in str(run) for secret in ("secret plan", "private thread", "inner"))
    assert [entry["admin"] for entry in logs if "admin" in entry] == [admin.user.pk]
    assert admin.get(EVENTS).json()["events"] == []
    assert admin.get(f"{RUNS}r/").status_code == 404


def test_too_many_requests_are_told_when_to_come_back(ann: Api, bob: Api, settings: Settings) -> None:
    settings.AGENTS_REQUESTS_PER_MINUTE = 2
    told = [ann.get(RUNS) for _ in range(3)]
    assert [answer.status_code for answer in told] == [200, 200, 429]
    refused = told[-1]
    assert (refused.status_code, refused.json()["error_code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert bob.get(RUNS).status_code == 200


def test_too_many_open_runs_are_429(ann: Api, settings: Settings) -> None:
    settings.AGENTS_OPEN_RUNS_MAX = 1
    ann.start()
    refused = ann.start()
    assert (refused.status_code, refused.json()["error_code"]) == (429, "RATE_LIMITED")
    assert "Retry-After" in refused.headers


@pytest.mark.parametrize("body", ["{", '{"type": "agent_thinking", "reasoning": NaN}', "[" * 100_000])
def test_what_is_no_json_is_answered_without_a_failure_of_ours(ann: Api, body: str) -> None:
    ann.start(run_id="r")
    answer = ann.client.post(f"{RUNS}r/events/", body, content_type="application/json", headers=ann._headers)
    assert answer.status_code in {400, 422}
    assert set(answer.json()) >= ERROR_MEMBERS


def test_health_is_public_and_names_its_components(client: Client) -> None:
    answer = client.get("/api/v1/agents/health")
    assert answer.status_code == 200
    assert answer.json()["status"] in {"healthy", "degraded"}
    assert answer.json()["components"]["database"]["status"] == "connected"
    CHECKER.stop()


def test_the_admin_site_shows_runs_without_their_bodies(client: Client, ann: Api) -> None:
    ann.start(run_id="r", task="secret plan")
    client.force_login(User.objects.create_superuser("root@example.org"))
    with structlog.testing.capture_logs() as logs:
        pages = [
            client.get("/admin/cache_streams/agentrun/"),
            client.get("/admin/cache_streams/agentrun/r/change/"),
        ]
    assert [page.status_code for page in pages] == [200, 200]
    assert not any(b"secret plan" in page.content for page in pages)
    assert len([entry for entry in logs if "admin" in entry]) == 2
    assert client.get("/admin/cache_streams/agentrun/add/").status_code == 403
    assert client.post("/admin/cache_streams/agentrun/r/delete/").status_code == 403


def test_both_forms_of_every_path_are_served(ann: Api) -> None:
    for name, arguments in (
        ("agent-runs", []),
        ("agent-events", []),
        ("agent-run", ["r"]),
        ("agent-run-events", ["r"]),
    ):
        ann.start(run_id="r")
        path = reverse(name, args=arguments)
        assert {ann.get(form).status_code for form in (path, f"{path}/")} == {200}
