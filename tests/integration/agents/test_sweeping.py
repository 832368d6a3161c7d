"""What time does: idle runs end, old events go, open runs stay whole."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from cache_streams.agents import selectors
from cache_streams.agents.models import AgentEvent, AgentRun, AgentUserLog
from cache_streams.agents.rights import Caller
from cache_streams.agents.services import append_events
from cache_streams.agents.sweeping import sweep_for_ever, time_out_runs, trim
from cache_streams.agents.wire import read_event
from cache_streams.metrics import AGENTS_TRIMMED
from tests.counts import counted
from tests.integration.agents.people import caller, new_user, start

pytestmark = pytest.mark.django_db

THINKING = {"type": "agent_thinking", "reasoning": "r"}
SUCCESS = {"type": "agent_completed", "status": "success", "final_response": "Done."}


def run_of(who: Caller, run_id: str, thoughts: int = 0, *, ended: bool = True) -> None:
    start(who, run_id=run_id)
    events: list[dict[str, Any]] = [THINKING] * thoughts + ([SUCCESS] if ended else [])
    if events:
        append_events(who, run_id, [read_event(event) for event in events])


def age(who: Caller, days: float, up_to: int) -> None:
    """Let the events up to a cursor be older than they are."""
    then = timezone.now() - timedelta(days=days)
    AgentEvent.objects.filter(user=who.user_id, cursor__lte=up_to).update(created_at=then)
    AgentUserLog.objects.filter(pk=who.user_id, floor_cursor__lt=up_to).update(oldest_at=then)


def cursors(who: Caller) -> list[int]:
    return [event["cursor"] for event in selectors.events_after(who.user_id, 0)]


def standing(who: Caller) -> tuple[int, int]:
    found = selectors.standing(who.user_id)
    assert found is not None
    return found.floor, found.last


def test_only_idle_runs_are_ended() -> None:
    ann = caller(new_user())
    for run_id in ("idle", "busy"):
        run_of(ann, run_id, ended=False)
    run_of(ann, "done")
    AgentRun.objects.exclude(pk="busy").update(updated_at=timezone.now() - timedelta(seconds=301))
    assert time_out_runs() == 1
    assert dict(AgentRun.objects.values_list("pk", "status")) == {
        "idle": "timeout", "busy": "running", "done": "success",
    }  # fmt: skip
    assert selectors.events_after(ann.user_id, 0)[-1]["status"] == "timeout"


def test_a_run_open_for_longer_than_events_are_kept_is_ended() -> None:
    run_of(caller(new_user()), "endless", ended=False)
    AgentRun.objects.update(started_at=timezone.now() - timedelta(days=8))
    assert time_out_runs() == 1


def test_events_older_than_a_week_go_and_raise_the_floor() -> None:
    ann = caller(new_user())
    run_of(ann, "old", 2)
    run_of(ann, "young", 2)
    age(ann, 8, up_to=4)
    with counted(AGENTS_TRIMMED, times=4):
        assert trim() == 4
    assert (standing(ann), cursors(ann)) == ((4, 8), [5, 6, 7, 8])
    assert trim() == 0


def test_what_is_left_of_a_log_remembers_its_age() -> None:
    ann = caller(new_user())
    run_of(ann, "r", 4)
    age(ann, 6.9, up_to=6)
    age(ann, 8, up_to=2)
    trim()
    log = AgentUserLog.objects.get()
    assert log.oldest_at == AgentEvent.objects.get(cursor=3).created_at


def test_an_emptied_log_goes_on_counting() -> None:
    ann = caller(new_user())
    run_of(ann, "old", 1)
    age(ann, 8, up_to=3)
    trim()
    assert (standing(ann), AgentUserLog.objects.get().oldest_at) == ((3, 3), None)
    run_of(ann, "new")
    assert cursors(ann) == [4, 5]


def test_events_beyond_the_number_go(settings: Settings) -> None:
    settings.AGENTS_RETENTION_EVENTS = 5
    ann, bob = caller(new_user()), caller(new_user())
    run_of(ann, "r", 8)
    run_of(bob, "b", 3)
    assert trim() == 5
    assert cursors(ann) == [6, 7, 8, 9, 10]
    assert len(cursors(bob)) == 5


def test_events_of_an_open_run_and_what_follows_them_stay(settings: Settings) -> None:
    settings.AGENTS_RETENTION_EVENTS = 1
    ann = caller(new_user())
    run_of(ann, "first", 1)
    run_of(ann, "open", 1, ended=False)
    run_of(ann, "last", 1)
    age(ann, 8, up_to=8)
    trim()
    assert cursors(ann) == [4, 5, 6, 7, 8]
    append_events(ann, "open", [read_event(SUCCESS)])
    trim()
    assert cursors(ann) == [9]


def test_a_long_log_goes_in_pieces(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AGENTS_RETENTION_EVENTS = 1
    monkeypatch.setattr("cache_streams.agents.sweeping.EVENTS_PER_TRANSACTION", 3)
    ann = caller(new_user())
    run_of(ann, "r", 8)
    assert trim() == 9
    assert cursors(ann) == [10]


def test_a_run_of_which_nothing_is_left_goes_with_its_age() -> None:
    ann = caller(new_user())
    run_of(ann, "old", 1)
    run_of(ann, "young", 1)
    AgentRun.objects.filter(pk="old").update(completed_at=timezone.now() - timedelta(days=8))
    age(ann, 8, up_to=3)
    trim()
    assert list(AgentRun.objects.values_list("pk", flat=True)) == ["young"]


def test_one_round_says_what_it_did() -> None:
    run_of(caller(new_user()), "idle", ended=False)
    AgentRun.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    out = io.StringIO()
    call_command("agents_sweep", "--once", stdout=out)
    assert out.getvalue() == "Runs ended: 1. Events dropped: 0.\n"


def test_the_sweep_goes_on_until_it_is_told_to_stop() -> None:
    run_of(caller(new_user()), "idle", ended=False)
    AgentRun.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 3

    sweep_for_ever(wait)
    assert pauses == [0.0, 5.0, 5.0]
    assert AgentRun.objects.get().status == "timeout"


def test_a_look_tells_the_logs_that_grew_and_where_they_end() -> None:
    ann, bob = caller(new_user()), caller(new_user())
    run_of(ann, "a")
    AgentUserLog.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    since = timezone.now()
    run_of(bob, "b")
    news = selectors.users_with_news(since)
    assert [(each.user_id, each.last) for each in news] == [(bob.user_id, 2)]
    assert {each.user_id for each in selectors.users_with_news()} == {ann.user_id, bob.user_id}
    assert [each.user_id for each in selectors.users_with_news(timezone.now() + timedelta(seconds=9))] == [
        bob.user_id
    ]
