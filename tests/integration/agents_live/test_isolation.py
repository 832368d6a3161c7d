"""Whose events reach whom: rows I1 to I8 of the acceptance table."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

import pytest

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import STEPS, Console, Rest, console, gapless, minted, thinking
from tests.integration.agents_live.test_crowds import crowd
from tests.live import LiveServer

UNKNOWN = "run-that-nobody-has"


def signed_runs(user: Rest, signature: str, runs: int, thoughts: int) -> None:
    """Report runs, every event of which carries the signature; one request each for its start and the rest."""
    for _ in range(runs):
        run_id = user.start(task=signature, agent_name=signature)
        end = {"type": "agent_completed", "status": "success", "final_response": signature}
        user.append(run_id, *[thinking(signature)] * thoughts, end)


def only_signed(one: Console, signature: str) -> None:
    for event in one.events:
        assert signature in (event.get("task"), event.get("reasoning"), event.get("final_response")), event
        assert event["agent_name"] == signature


async def concurrently(
    server: LiveServer, users: Sequence[Rest], *, sockets: int, runs: int, thoughts: int
) -> None:
    """Let everybody report at once, and insist that each socket is told exactly its own user's events."""
    signatures = [secrets.token_hex(8) for _ in users]
    async with crowd(server, users, sockets * len(users)) as consoles:
        reports = (
            asyncio.to_thread(signed_runs, user, signature, runs, thoughts)
            for user, signature in zip(users, signatures, strict=True)
        )
        await asyncio.gather(*reports)
        for number, one in enumerate(consoles):
            gapless(await one.told(runs * (thoughts + 2)))
            await one.nothing_more()
            only_signed(one, signatures[number % len(users)])


async def test_i1_and_a3_11_twelve_users_of_two_sockets_see_their_own_five_runs_each(
    agents_server: LiveServer, people: People
) -> None:
    await concurrently(agents_server, [people() for _ in range(12)], sockets=2, runs=5, thoughts=3)


async def test_i2_of_150_users_at_once_each_gets_all_of_its_thirty_events_and_nobody_elses(
    agents_server: LiveServer, people: People
) -> None:
    await concurrently(agents_server, [people() for _ in range(150)], sockets=1, runs=3, thoughts=8)


async def test_i3_users_of_the_same_thread_share_nothing(agents_server: LiveServer, people: People) -> None:
    ann, bob = people(), people()
    async with (
        console(agents_server, ann.token or "", query="thread_id=shared") as hers,
        console(agents_server, bob.token or "", query="thread_id=shared") as his,
    ):
        run_id = ann.whole_run(thread_id="shared")
        bob.start(thread_id="shared")
        await hers.told(5)
        await his.told(1)
        await hers.nothing_more()
        await his.nothing_more()
    assert {event["run_id"] for event in hers.events} == {run_id}
    assert len(ann.good("GET", "/runs/?thread_id=shared")["runs"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/runs/{}/", None),
        ("GET", "/runs/{}/events/", None),
        ("POST", "/runs/{}/events/", STEPS[0]),
        ("POST", "/runs/{}/cancel/", None),
    ],
)
async def test_i4_somebody_elses_run_is_answered_over_rest_as_one_that_does_not_exist(
    agents_server: LiveServer, people: People, method: str, path: str, body: object
) -> None:
    ann, bob = people(), people()
    foreign = bob.start()
    one, other = (ann.raw(method, path.format(run_id), body) for run_id in (foreign, UNKNOWN))
    assert one == other
    assert one[0] == 404


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("subscribe", {}),
        ("subscribe", {"after": 0}),
        ("get_events", {}),
        ("publish", {"event": STEPS[0]}),
        ("cancel_run", {}),
    ],
)
async def test_i4_somebody_elses_run_is_answered_on_a_socket_as_one_that_does_not_exist(
    agents_server: LiveServer, people: People, action: str, params: dict[str, object]
) -> None:
    ann, bob = people(), people()
    foreign = bob.start()
    async with console(agents_server, ann.token or "") as one:
        answers = [await one.ask(action, run_id=run_id, **params) for run_id in (foreign, UNKNOWN)]
        bob.append(foreign, thinking())
        await one.nothing_more()
    for answer in answers:
        assert answer["error_code"] == "RUN_NOT_FOUND"
        answer.pop("timestamp")
    assert answers[0] == answers[1]


async def test_i4_a_handshake_that_names_somebody_elses_run_is_told_that_there_is_none(
    agents_server: LiveServer, people: People
) -> None:
    ann, bob = people(), people()
    for run_id in (bob.start(), UNKNOWN):
        async with console(agents_server, ann.token or "", query=f"run_id={run_id}") as one:
            assert (await one.of_type("error"))["error_code"] == "RUN_NOT_FOUND"
            await one.nothing_more()


async def test_i5_a_forged_user_is_refused_or_ignored_and_changes_nobodys_log(
    agents_server: LiveServer, people: People
) -> None:
    ann, bob = people(), people()
    forged = {"user_id": bob.user_id}
    async with (
        console(agents_server, ann.token or "", query=f"user_id={bob.user_id}") as hers,
        console(agents_server, bob.token or "") as his,
    ):
        assert hers.others[0]["user_id"] == str(ann.user_id)
        run_id = ann.start()
        assert ann.ask("POST", "/runs/", {"agent_name": "x", **forged})[0] == 403
        assert ann.ask("POST", f"/runs/{run_id}/events/", STEPS[0] | forged)[0] == 403
        assert (await hers.ask("publish", run_id=run_id, event=STEPS[0] | forged))[
            "error_code"
        ] == "FORBIDDEN"
        ann.append(run_id, thinking())
        assert [event["user_id"] for event in await hers.told(2)] == [str(ann.user_id)] * 2
        await his.nothing_more()


async def test_i6_an_administrator_sees_no_events_of_others_and_no_bodies(
    agents_server: LiveServer, people: People
) -> None:
    root, ann = people("admin"), people()
    async with console(agents_server, root.token or "") as one:
        run_id = ann.whole_run(task="private words")
        await one.nothing_more()
        for action in ("subscribe", "get_events"):
            assert (await one.ask(action, run_id=run_id))["error_code"] == "RUN_NOT_FOUND"
    listed = root.good("GET", f"/admin/runs/?user_id={ann.user_id}")
    assert [run["run_id"] for run in listed["runs"]] == [run_id]
    assert "private words" not in str(listed)
    assert STEPS[0]["reasoning"] not in str(listed)


async def test_i7_a_service_publishes_where_it_started_and_is_told_nothing(
    agents_server: LiveServer, people: People
) -> None:
    robot, ann = people("producer"), people()
    own = ann.start()
    async with (
        console(agents_server, robot.token or "") as its,
        console(agents_server, ann.token or "") as hers,
    ):
        started = robot.good("POST", "/runs/", {"agent_name": "robot", "user_id": ann.user_id})
        robot.append(started["run_id"], thinking())
        assert robot.ask("POST", f"/runs/{own}/events/", thinking())[0] == 404
        assert [event["agent_name"] for event in await hers.told(2)] == ["robot"] * 2
        await its.nothing_more()
        assert (await its.ask("subscribe", after=0))["error_code"] == "FORBIDDEN"


async def test_i8_a_socket_never_becomes_somebody_elses(agents_server: LiveServer, people: People) -> None:
    ann, bob = people(), people()
    async with console(agents_server, ann.token or "") as one:
        await one.send({"action": "reauthenticate", "params": {"token": minted(agents_server, bob.user_id)}})
        assert await one.closed() == (1008, "auth_conflict")
    assert one.others[-1]["error_code"] == "AUTH_CONFLICT"
