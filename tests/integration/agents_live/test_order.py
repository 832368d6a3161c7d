"""In which order events come, whoever reports them and however many: rows O1 to O3 and A4-04 to A4-06 of the table."""

from __future__ import annotations

import asyncio

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import EVENTS, STEPS, Rest, console, gapless, thinking
from tests.integration.agents_live.test_crowds import crowd
from tests.live import LiveServer

BATCH = 100


def burst(user: Rest, events: int) -> str:
    """Report a run of so many events in the largest batches."""
    run_id = user.start()
    for first in range(1, events, BATCH):
        texts = range(first, min(first + BATCH, events))
        user.append(run_id, *(thinking(str(number)) for number in texts))
    return run_id


async def test_o1_fifty_sockets_get_a_hundred_events_each_in_order(
    agents_server: LiveServer, people: People
) -> None:
    users = [people() for _ in range(25)]
    async with crowd(agents_server, users, 50) as consoles:
        await asyncio.gather(*(asyncio.to_thread(burst, user, 100) for user in users))
        for one in consoles:
            gapless(await one.told(100))
            await one.nothing_more()


async def test_o2_and_a4_04_bursts_of_2000_and_of_5000_events_arrive_whole_and_in_order(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        for count, before in ((2000, 0), (5000, 2000)):
            await asyncio.to_thread(burst, ann, count)
            told = (await one.told(before + count))[before:]
            gapless(told, after=before)
            assert [event["reasoning"] for event in told[1:]] == [str(number) for number in range(1, count)]
        await one.nothing_more()


async def test_o3_two_producers_of_one_run_make_one_order_and_losers_are_told_the_next_place(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()

    def produce(run_id: str, name: str) -> int:
        """Append twenty thoughts, each at the place that was expected to be next; return how often that was taken."""
        lost, expected = 0, 2
        for number in range(20):
            while True:
                event = {**thinking(f"{name}{number}"), "expected_seq": expected}
                status, answer = ann.ask("POST", f"/runs/{run_id}/events/", event)
                if status == 201:
                    expected = answer["last_seq"] + 1
                    break
                assert (status, answer["error_code"]) == (409, "SEQUENCE_MISMATCH")
                lost, expected = lost + 1, answer["next_seq"]
        return lost

    async with console(agents_server, ann.token or "") as one:
        run_id = ann.start()
        lost = await asyncio.gather(*(asyncio.to_thread(produce, run_id, name) for name in "ab"))
        told = await one.told(41)
        await one.nothing_more()
    gapless(told)
    assert sum(lost) > 0
    for name in "ab":
        own = [event["reasoning"] for event in told[1:] if event["reasoning"].startswith(name)]
        assert own == [f"{name}{number}" for number in range(20)]


async def test_a4_04_and_a4_05_questions_are_answered_while_events_flow_and_what_is_published_comes_back(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        assert tuple(one.others[0]["events"]) == EVENTS
        run_id = (await one.ask("start_run", agent_name="triage", task="why"))["result"]["run_id"]
        for number, step in enumerate(STEPS):
            answer = await one.ask("publish", f"p{number}", run_id=run_id, event=step)
            assert (answer["success"], answer["request_id"]) == (True, f"p{number}")
            assert (await one.ask("ping", "q"))["type"] == "pong"
        listed = (await one.ask("list_runs", status="success"))["result"]["runs"]
        replayed = (await one.ask("get_events", run_id=run_id, after_seq=1))["result"]["events"]
        told = await one.told(5)
        await one.nothing_more()
    assert [run["run_id"] for run in listed] == [run_id]
    assert [event["type"] for event in told] == list(EVENTS)
    assert [event["event_id"] for event in replayed] == [event["event_id"] for event in told[1:]]
