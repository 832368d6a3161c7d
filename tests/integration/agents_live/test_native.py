"""The stream of agents on a native socket: one's own, whole, by run or by thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import DEADLINE_S, EVENTS, Rest, thinking
from tests.integration.native.client import PATH, Native
from tests.live import LiveServer


@asynccontextmanager
async def native(server: LiveServer, who: Rest) -> AsyncIterator[Native]:
    async with connect(
        f"{server.ws_url}{PATH}",
        additional_headers={"Authorization": f"Bearer {who.token}"},
        open_timeout=DEADLINE_S,
        max_queue=None,
        compression=None,
    ) as connection:
        socket = Native(connection)
        socket.welcome = await socket.receive()
        yield socket


@pytest.mark.parametrize("role", ["viewer", "user", "admin"])
async def test_everybody_is_offered_agents_and_follows_their_own(
    agents_server: LiveServer, people: People, role: str
) -> None:
    who, robot, other = people(role), people("producer"), people()
    async with native(agents_server, who) as socket:
        assert "agents" in socket.welcome["streams"]
        subscription = await socket.subscribe("agents")
        assert (subscription["key"], subscription["mode"]) == (str(who.user_id), "every")
        other.start()
        robot.good("POST", "/runs/", {"agent_name": "robot", "user_id": who.user_id})
        frame = await socket.told(type="update")
        assert (frame["key"], frame["seq"], frame["data"]["user_id"]) == (
            str(who.user_id),
            1,
            str(who.user_id),
        )
        left = await socket.nothing_more()
        assert [each for each in left if each["type"] == "update"] == []


async def test_a_run_comes_under_its_own_key_with_its_own_numbers(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    ann.whole_run()
    async with native(agents_server, ann) as socket:
        run_id = f"run-of-{ann.user_id}"
        assert (await socket.subscribe("agents", run=run_id))["key"] == f"run:{run_id}"
        assert (await socket.told(type="snapshot"))["data"] is None
        ann.start(run_id=run_id)
        between = ann.start()
        ann.append(run_id, thinking())
        ann.append(between, thinking())
        ann.append(run_id, thinking())
        told = [await socket.told(type="update") for _ in range(3)]
        assert [(frame["key"], frame["seq"]) for frame in told] == [(f"run:{run_id}", n) for n in (1, 2, 3)]
        again = await socket.subscribe("agents", run=run_id, since=told[0]["cursor"])
        assert again["recovered"] is True
        resumed = [await socket.told(type="update") for _ in range(2)]
        assert [frame["seq"] for frame in resumed] == [2, 3]
        (state,) = (await socket.done("snapshot", stream="agents", run=run_id))["snapshots"]
        assert (state["key"], state["seq"], len(state["data"])) == (f"run:{run_id}", 3, 3)


async def test_a_thread_comes_run_by_run_and_threads_and_all_stand_beside_one_another(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with native(agents_server, ann) as socket:
        ack = await socket.done("subscribe", stream="agents", thread=["t1", "t2"])
        assert [each["key"] for each in ack["subscriptions"]] == ["thread:t1/*", "thread:t2/*"]
        await socket.subscribe("agents")
        one, other = ann.whole_run(thread_id="t1"), ann.whole_run(thread_id="t2")
        keys: dict[str, list[int]] = {}
        for _ in range(20):
            frame = await socket.told(type="update")
            keys.setdefault(frame["key"], []).append(frame["seq"])
        five = list(range(1, len(EVENTS) + 1))
        assert keys == {
            f"thread:t1/{one}": five,
            f"thread:t2/{other}": five,
            str(ann.user_id): list(range(1, 11)),
        }
        ended = (await socket.done("unsubscribe", stream="agents", thread="t1"))["subscriptions"]
        assert [each["key"] for each in ended] == ["thread:t1/*"]


async def test_i4_somebody_elses_run_holds_nothing_like_one_that_does_not_exist(
    agents_server: LiveServer, people: People
) -> None:
    ann, bob = people(), people()
    foreign = bob.whole_run()
    async with native(agents_server, ann) as socket:
        answers = []
        for run_id in (foreign, "run-that-nobody-has"):
            subscription = await socket.subscribe("agents", run=run_id)
            snapshot = await socket.told(type="snapshot")
            (state,) = (await socket.done("snapshot", stream="agents", run=run_id))["snapshots"]
            for each in (subscription, snapshot, state):
                assert each.pop("key") == f"run:{run_id}"
            subscription.pop("sub")
            snapshot.pop("sub")
            answers.append((subscription, snapshot, state))
        assert answers[0] == answers[1]
        refused = await socket.refused("subscribe", stream="agents", user=str(bob.user_id))
        assert refused["error_code"] == "FORBIDDEN"


async def test_a_replay_tells_events_as_they_were_told_then_goes_on(
    agents_server: LiveServer, people: People
) -> None:
    ann, bob, began = people(), people(), time.time()
    async with native(agents_server, ann) as live, native(agents_server, ann) as again:
        await live.subscribe("agents")
        run_id = await asyncio.to_thread(ann.start)
        await asyncio.to_thread(bob.whole_run)
        await asyncio.to_thread(ann.whole_run)
        sent = [await live.told(type="update") for _ in range(len(EVENTS) + 1)]
        subscription = await again.subscribe("agents", replay={"from": began - 0.001, "speed": 1000})
        assert began - 0.001 <= subscription["replay"]["begins_at"] <= time.time()
        flagged = [await again.told(type="update") for _ in sent]
        assert flagged == [{**frame, "replay": True} for frame in sent]
        status = await again.told(type="status")
        assert (status["state"], status["recovered"]) == ("live", True)
        await asyncio.to_thread(ann.append, run_id, thinking("later"))
        frame = await again.told(type="update")
        assert (frame["data"]["reasoning"], frame["seq"], frame.get("replay")) == (
            "later",
            len(sent) + 1,
            None,
        )
        assert await live.told(type="update") == frame


async def test_a_replay_goes_on_after_the_cursor_of_an_event(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with native(agents_server, ann) as live, native(agents_server, ann) as again:
        await live.subscribe("agents")
        await asyncio.to_thread(ann.whole_run)
        sent = [await live.told(type="update") for _ in EVENTS]
        await again.subscribe("agents", replay={"from": sent[1]["cursor"], "speed": 1000})
        flagged = [await again.told(type="update") for _ in sent[2:]]
        assert flagged == [{**frame, "replay": True} for frame in sent[2:]]
        assert (await again.told(type="status"))["recovered"] is True


async def test_runs_and_threads_and_what_others_did_are_not_replayed(
    agents_server: LiveServer, people: People
) -> None:
    ann, bob = people(), people()
    own, foreign = ann.whole_run(thread_id="t"), bob.whole_run(thread_id="t")
    async with native(agents_server, ann) as socket:
        replay = {"from": 0, "speed": 1000}
        told = [
            await socket.refused("subscribe", stream="agents", replay=replay, **part)
            for part in ({"run": own}, {"run": foreign}, {"run": "run-that-nobody-has"}, {"thread": "t"})
        ]
        assert {(each["error_code"], each["field"], each["error"]) for each in told} == {
            ("REPLAY_UNAVAILABLE", "replay", "replay: tells whole keys, no parts of them")
        }
        refused = await socket.refused("subscribe", stream="agents", user=str(bob.user_id), replay=replay)
        assert refused["error_code"] == "FORBIDDEN"
