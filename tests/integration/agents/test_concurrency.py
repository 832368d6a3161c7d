"""Several producers at once: one order, no gap, and no database that is too busy to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from cache_streams.agents import selectors
from cache_streams.agents.models import AgentUserLog
from cache_streams.agents.refusals import AgentRefused
from cache_streams.agents.rights import Caller
from cache_streams.agents.services import append_events
from cache_streams.agents.wire import read_event
from tests.integration.agents.people import caller, new_user, start

pytestmark = pytest.mark.django_db(transaction=True)

THINKING = {"type": "agent_thinking", "reasoning": "r"}
WRITERS = 6
EVENTS_EACH = 25
JOIN_S = 60.0


def at_once(*works: Callable[[], None]) -> list[BaseException]:
    """Run works in threads of their own, begun together; return what they raised."""
    failures: list[BaseException] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            gate.wait(JOIN_S)
            work()
        except Exception as exc:  # noqa: BLE001 - a thread's root: whatever failed is the test's finding
            failures.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
    assert not any(thread.is_alive() for thread in threads)
    return failures


def publish(who: Caller, run_id: str, count: int = EVENTS_EACH) -> Callable[[], None]:
    def work() -> None:
        for _ in range(count):
            append_events(who, run_id, [read_event(THINKING)])

    return work


def test_two_producers_on_one_run_make_one_order() -> None:
    ann, robot = caller(new_user()), caller(new_user("producer"))
    start(robot, run_id="r", user_id=ann.user_id)
    assert at_once(publish(ann, "r"), publish(robot, "r")) == []
    events = selectors.events_after(ann.user_id, 0)
    assert [event["seq"] for event in events] == list(range(1, 2 * EVENTS_EACH + 2))
    assert [event["cursor"] for event in events] == [event["seq"] for event in events]


def test_who_loses_a_race_for_a_place_is_told_the_next_one() -> None:
    ann = caller(new_user())
    start(ann, run_id="r")
    won: list[int] = []
    codes: set[str] = set()

    def compete() -> None:
        for seq in range(2, EVENTS_EACH + 2):
            try:
                append_events(ann, "r", [read_event({**THINKING, "expected_seq": seq})])
            except AgentRefused as refused:
                codes.add(refused.code)
            else:
                won.append(seq)

    assert at_once(compete, compete) == []
    assert codes <= {"SEQUENCE_MISMATCH"}
    assert sorted(won) == list(range(2, EVENTS_EACH + 2))


def test_six_writers_find_the_database_never_too_busy() -> None:
    people = [caller(new_user()) for _ in range(WRITERS)]
    for number, who in enumerate(people):
        start(who, run_id=f"r{number}")
    assert at_once(*(publish(who, f"r{number}") for number, who in enumerate(people))) == []
    for who in people:
        events = selectors.events_after(who.user_id, 0)
        assert [event["cursor"] for event in events] == list(range(1, EVENTS_EACH + 2))


def test_a_reader_never_sees_a_number_before_a_smaller_one() -> None:
    ann = caller(new_user())
    for number in range(3):
        start(ann, run_id=f"r{number}")
    ended = threading.Event()
    seen: list[list[int]] = []

    def read() -> None:
        cursor = 0
        while True:
            last_look = ended.is_set()
            page = [event["cursor"] for event in selectors.events_after(ann.user_id, cursor)]
            if page:
                seen.append(page)
                cursor = page[-1]
            elif last_look:
                return

    def write() -> None:
        try:
            assert at_once(*(publish(ann, f"r{number}") for number in range(3))) == []
        finally:
            ended.set()

    assert at_once(read, write) == []
    assert [cursor for page in seen for cursor in page] == list(range(1, 3 * EVENTS_EACH + 4))


def test_the_first_runs_of_a_user_may_begin_at_once() -> None:
    ann = caller(new_user())

    def begin(number: int) -> Callable[[], None]:
        def work() -> None:
            start(ann, run_id=f"r{number}")

        return work

    assert at_once(*map(begin, range(WRITERS))) == []
    assert AgentUserLog.objects.get().last_cursor == WRITERS


def test_one_of_several_wins_a_run_id() -> None:
    people = [caller(new_user()) for _ in range(WRITERS)]
    codes: list[str] = []

    def begin(who: Caller) -> Callable[[], None]:
        def work() -> None:
            try:
                start(who, run_id="wanted")
                codes.append("started")
            except AgentRefused as refused:
                codes.append(refused.code)

        return work

    assert at_once(*(begin(who) for who in people)) == []
    assert sorted(codes) == ["RUN_ID_UNAVAILABLE"] * (WRITERS - 1) + ["started"]
