"""Writes about agent runs, one transaction each; every producer comes through here: REST, sockets, ingest, runners."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from cache_streams.agents.appending import RunWriter, lock_log, lock_run
from cache_streams.agents.grammar import Ending
from cache_streams.agents.models import AgentEvent, AgentRun, AgentUserLog
from cache_streams.agents.refusals import AgentRefused, Invalid, forbidden, foreign_user, run_not_found
from cache_streams.agents.rights import Caller, caller_of
from cache_streams.agents.wire import Draft, StartDraft
from cache_streams.agents.writing import writing


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was started, now (``created``) or by an equal request before; ``event_id`` None: not reported yet."""

    run_id: str
    thread_id: str
    user_id: int
    status: str
    seq: int
    cursor: int
    event_id: str | None
    created: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one event stands; ``duplicate`` when it was there before."""

    event_id: str
    seq: int
    cursor: int
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """The events of one request, in its order."""

    run_id: str
    events: Sequence[Placed]

    @property
    def duplicate(self) -> bool:
        """Whether all of them were there before."""
        return all(event.duplicate for event in self.events)


def start_run(caller: Caller, draft: StartDraft, idempotency_key: str = "") -> Started:
    """Start a run and report ``agent_started``, or recognise an equal request of the same caller.

    Raises: AgentRefused (FORBIDDEN, RUN_ID_UNAVAILABLE, RATE_LIMITED), Invalid.
    """
    owner = _owner(caller, draft)
    try:
        with writing():
            log = lock_log(owner.user_id)
            earlier = _earlier(caller, draft, idempotency_key)
            if earlier is not None:
                return _started(earlier, created=False)
            return _started(_new_run(caller, owner, log, draft, idempotency_key), created=True)
    except IntegrityError:
        raise _unavailable() from None  # somebody else's start was quicker


def append_events(caller: Caller, run_id: str, drafts: Sequence[Draft]) -> Appended:
    """Append events to a run, all or none. Raises: AgentRefused, Invalid."""
    _refuse_bystanders(caller)
    for draft in drafts:
        _check_names(caller, run_id, draft)
    with writing():
        writer = _writer(caller, run_id)
        for draft in drafts:
            if draft.user_id not in (None, caller.user_id, writer.run.user_id):
                raise foreign_user()
        writer.know([draft.event_id for draft in drafts if draft.event_id])
        placed = [_placed(*writer.take(draft)) for draft in drafts]
        writer.save()
    return Appended(run_id, placed)


def cancel_run(caller: Caller, run_id: str) -> Appended:
    """End a run with the status ``cancelled``. Raises: AgentRefused (FORBIDDEN, RUN_NOT_FOUND, RUN_CLOSED)."""
    _refuse_bystanders(caller)
    with writing():
        writer = _writer(caller, run_id)
        if writer.closed:
            raise AgentRefused("RUN_CLOSED", "The run has ended.")
        placed = [_placed(row) for row in writer.end(Ending.CANCELLED, "The run was cancelled.")]
        writer.save()
    return Appended(run_id, placed)


def time_out_run(run_id: str, *, idle_since: datetime, open_since: datetime) -> bool:
    """End a run that has said nothing since ``idle_since``, or is open since ``open_since``; False if it need not."""
    with writing():
        locked = lock_run(run_id)
        if locked is None:
            return False
        writer = RunWriter(*locked)
        run = writer.run
        if writer.closed or (run.updated_at > idle_since and run.started_at > open_since):
            return False
        writer.end(Ending.TIMEOUT, "The run was ended because it took too long.")
        writer.save()
    return True


def _owner(caller: Caller, draft: StartDraft) -> Caller:
    """Return whose run it will be. Raises: AgentRefused (FORBIDDEN), Invalid."""
    for_self = draft.user_id in (None, caller.user_id)
    if for_self and caller.may("agent_execute"):
        return caller
    if draft.user_id is None or not caller.may("publish_any"):
        raise forbidden() if for_self else foreign_user()
    owner = caller_of(draft.user_id)
    if owner is None:
        raise Invalid({"user_id": ["user_id must be that of an active user"]})
    return owner


def _earlier(caller: Caller, draft: StartDraft, key: str) -> AgentRun | None:
    """Return the run that an equal request started. Raises: AgentRefused (RUN_ID_UNAVAILABLE)."""
    by_id = AgentRun.objects.filter(pk=draft.run_id).first() if draft.run_id else None
    by_key = AgentRun.objects.filter(producer=caller.user_id, idempotency_key=key).first() if key else None
    found = by_id or by_key
    if found is None:
        return None
    ours = found.producer_id == caller.user_id and found.digest == draft.digest
    if not ours or (by_key is not None and by_key.pk != found.pk):
        raise _unavailable()
    return found


def _new_run(caller: Caller, owner: Caller, log: AgentUserLog, draft: StartDraft, key: str) -> AgentRun:
    if (
        AgentRun.objects.filter(user=owner.user_id, completed_at=None).count()
        >= settings.AGENTS_OPEN_RUNS_MAX
    ):
        raise AgentRefused(
            "RATE_LIMITED", f"At most {settings.AGENTS_OPEN_RUNS_MAX} runs may be open at once."
        )
    run_id, now, emit = draft.run_id or str(uuid.uuid4()), timezone.now(), draft.emit_started
    run = AgentRun.objects.create(
        id=run_id,
        user_id=owner.user_id,
        producer_id=caller.user_id,
        thread_id=draft.thread_id or run_id,
        agent_name=draft.agent_name,
        strict=draft.strict,
        context=owner.context(),
        digest=draft.digest,
        idempotency_key=key,
        start_cursor=log.last_cursor + emit,
        start_event_id=uuid.uuid4() if emit else None,
        started_at=now,
        updated_at=now,
    )
    if emit:
        writer = RunWriter(run, log.last_cursor)
        writer.start(draft.started, run.start_event_id)
        writer.save()
    return run


def _started(run: AgentRun, *, created: bool) -> Started:
    reported = run.start_event_id is not None
    return Started(
        run_id=run.pk,
        thread_id=run.thread_id,
        user_id=run.user_id,
        status="running" if reported else "new",
        seq=int(reported),
        cursor=run.start_cursor,
        event_id=str(run.start_event_id) if reported else None,
        created=created,
    )


def _refuse_bystanders(caller: Caller) -> None:
    if not (caller.may("agent_execute") or caller.may("publish_any")):
        raise forbidden()


def _check_names(caller: Caller, run_id: str, draft: Draft) -> None:
    if draft.user_id not in (None, caller.user_id) and not caller.may("publish_any"):
        raise foreign_user()
    if draft.run_id not in (None, run_id):
        raise Invalid({"run_id": ["run_id names another run than the request does"]})


def _writer(caller: Caller, run_id: str) -> RunWriter:
    """Return the writer of a run that the caller may publish to. Raises: AgentRefused (RUN_NOT_FOUND)."""
    locked = lock_run(run_id)
    if locked is None:
        raise run_not_found()
    run, last_cursor = locked
    owns = run.user_id == caller.user_id and caller.may("agent_execute")
    started = run.producer_id == caller.user_id and caller.may("publish_any")
    if not (owns or started):
        raise run_not_found()
    return RunWriter(run, last_cursor)


def _placed(row: AgentEvent, duplicate: bool = False) -> Placed:  # noqa: FBT001, FBT002 - takes a pair apart
    return Placed(str(row.event_id), row.seq, row.cursor, duplicate)


def _unavailable() -> AgentRefused:
    return AgentRefused("RUN_ID_UNAVAILABLE", "This run_id or Idempotency-Key cannot be used.")
