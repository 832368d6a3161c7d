"""Appending to one user's log inside a transaction: the log's row is locked first, so that numbers become visible in order."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from cache_streams.agents import grammar
from cache_streams.agents.grammar import Ending, ExecutionUnclear, Kind, OpenTool, OutOfOrder, Phase, RunState
from cache_streams.agents.models import OPEN_STATUSES, AgentEvent, AgentRun, AgentUserLog
from cache_streams.agents.refusals import AgentRefused, Invalid, out_of_order
from cache_streams.agents.rules import is_run_id
from cache_streams.agents.storing import read_locked, store
from cache_streams.agents.wire import Draft
from cache_streams.metrics import AGENTS_APPENDED, AGENTS_ENDED
from cache_streams.news import announce_row
from cache_streams.protocol.agent_forms import timestamp_ms
from cache_streams.streams.agents import NOTICES, key_of

Fields = Mapping[str, Any]  # Any: JSON
_STATUS = {Kind.THINKING: "thinking", Kind.TOOL_EXECUTING: "executing"}


def lock_log(user_id: int) -> AgentUserLog:
    """Return a user's log, created if need be, locked until the transaction ends."""
    logs = AgentUserLog.objects.select_for_update()
    log = logs.filter(pk=user_id).first()
    if log is None:
        AgentUserLog.objects.bulk_create([AgentUserLog(user_id=user_id)], ignore_conflicts=True)
        log = logs.get(pk=user_id)
    return log


def lock_run(run_id: str) -> tuple[AgentRun, int] | None:
    """Return a run and the last cursor of its owner's log, locked; None when there is no such run."""
    return read_locked(run_id) if is_run_id(run_id) else None  # a database may refuse what no id can be


def rename_log(user_id: int) -> None:
    """Give a user's log another id: to clients who know the old one all that it holds is new."""
    AgentUserLog.objects.filter(pk=user_id).update(log_id=uuid.uuid4())


def on_committed(user_id: int, cursor: int, kinds: Iterable[str] = ()) -> None:
    """Do what follows a committed append: count it and tell whoever copies rows to the stream's log."""
    for kind in kinds:
        AGENTS_APPENDED.labels(kind).inc()
    announce_row(NOTICES, key_of(user_id)[0], cursor)


class RunWriter:
    """Appends events to one run whose owner's log is locked; nothing is stored before ``save``."""

    def __init__(self, run: AgentRun, last_cursor: int) -> None:
        self.run, self._cursor = run, last_cursor
        self._state = _state_of(run)
        self._rows: list[AgentEvent] = []
        self._known: dict[uuid.UUID, AgentEvent] = {}
        moment = timezone.now()
        self._now = moment - timedelta(microseconds=moment.microsecond % 1000)  # what clients see

    @property
    def closed(self) -> bool:
        """Whether the run has ended."""
        return self._state.phase is Phase.CLOSED

    def know(self, event_ids: Collection[str]) -> None:
        """Load what was stored before under ``event_ids``, so that a repetition is recognised."""
        if event_ids:
            rows = AgentEvent.objects.filter(run=self.run, event_id__in=event_ids)
            self._known = {row.event_id: row for row in rows}

    def take(self, draft: Draft) -> tuple[AgentEvent, bool]:
        """Add a producer's event; return its row, and whether it was there before. Raises: AgentRefused."""
        event_id = uuid.UUID(draft.event_id) if draft.event_id else uuid.uuid4()
        known = self._known.get(event_id)
        if known is not None:
            if known.digest != draft.digest:
                raise AgentRefused("EVENT_ID_CONFLICT", "event_id was used for another event of this run.")
            return known, True
        if self.closed:
            raise AgentRefused("RUN_CLOSED", "The run has ended.")
        if draft.expected_seq not in (None, self.run.last_seq + 1):
            raise AgentRefused(
                "SEQUENCE_MISMATCH", "The run does not stand there.", next_seq=self.run.last_seq + 1
            )
        stamp = {} if draft.producer_timestamp is None else {"producer_timestamp": draft.producer_timestamp}
        row = self._add(draft.kind, draft.fields, stamp, event_id, draft.digest)
        self._known[event_id] = row
        return row, False

    def start(self, fields: Fields, event_id: uuid.UUID | None = None) -> AgentEvent:
        """Add ``agent_started``."""
        return self._add(Kind.STARTED, fields, {}, event_id or uuid.uuid4())

    def end(self, ending: Ending, text: str) -> list[AgentEvent]:
        """End the run on the gateway's own account, whatever its state; return what was added."""
        before = len(self._rows)
        if self._state.phase is Phase.NEW:
            self.start({})
        self._add(Kind.COMPLETED, {"status": str(ending), "final_response": text}, {}, uuid.uuid4())
        return self._rows[before:]

    def save(self) -> None:
        """Store what was added: rows, run and log together."""
        if not self._rows:
            return
        run, state = self.run, self._state
        of_run = {
            "status": run.status,
            "last_seq": run.last_seq,
            "open_tools": [asdict(tool) for tool in state.open_tools],
            "thought": state.thought,
            "used_tool": state.used_tool,
            "updated_at": self._now,
            "completed_at": self._now if state.phase is Phase.CLOSED else None,
        }
        store(self._rows, run.pk, of_run, run.user_id, self._now)
        kinds = [row.type for row in self._rows]
        user_id, cursor = run.user_id, self._cursor
        transaction.on_commit(lambda: on_committed(user_id, cursor, kinds))
        if state.phase is Phase.CLOSED:
            AGENTS_ENDED.labels(run.status).inc()
        self._rows = []

    def _add(
        self, kind: Kind, fields: Fields, stamp: Fields, event_id: uuid.UUID, digest: str = ""
    ) -> AgentEvent:
        ending = Ending(fields["status"]) if kind is Kind.COMPLETED else None
        if ending is not None:
            for tool in grammar.aborts(self._state, ending):
                self._add(Kind.TOOL_COMPLETED, self._aborted(tool), {}, uuid.uuid4())
        filled = self._filled(kind, fields)
        at_ms = timestamp_ms(self._now)
        step = grammar.Step(kind, filled.get("execution_id"), filled.get("tool_name"), ending, at_ms)
        try:
            self._state = grammar.advance(self._state, step)
        except OutOfOrder as error:
            raise out_of_order(str(error), error.phase, error.allowed) from error
        return self._number(kind, {**stamp, **filled}, event_id, digest)

    def _filled(self, kind: Kind, fields: Fields) -> dict[str, Any]:  # Any: JSON
        """Return the fields with those that the gateway adds."""
        if kind is Kind.STARTED:
            return {"status": "started", **fields, "user_context": self.run.context}
        if kind is Kind.TOOL_EXECUTING:
            fields = {"execution_id": uuid.uuid4().hex, **fields}
        if kind is Kind.TOOL_COMPLETED:
            status = "completed" if fields["success"] else "failed"
            return {**fields, "execution_id": self._answered(fields), "status": status}
        return {**fields, "status": _STATUS[kind]} if kind in _STATUS else dict(fields)

    def _answered(self, fields: Fields) -> str | None:
        """Return the execution that a ``tool_completed`` answers, as named or the only one that is open."""
        named: str | None = fields.get("execution_id")
        step = grammar.Step(Kind.TOOL_COMPLETED, named, fields["tool_name"])
        try:
            return grammar.answering(self._state, step).execution_id if self._state.open_tools else named
        except ExecutionUnclear:
            rule = "must name the execution while more than one tool is open"
            raise Invalid({"execution_id": [f"execution_id {rule}"]}) from None
        except OutOfOrder as error:
            raise out_of_order(str(error), error.phase, error.allowed) from error

    def _aborted(self, tool: OpenTool) -> Fields:
        took_ms = max(timestamp_ms(self._now) - tool.opened_ms, 0)
        return {
            "tool_name": tool.tool_name,
            "execution_id": tool.execution_id,
            "results": None,
            "duration": took_ms / 1000,
            "success": False,
            "error": "aborted",
        }

    def _number(self, kind: Kind, body: Fields, event_id: uuid.UUID, digest: str) -> AgentEvent:
        run = self.run
        run.last_seq += 1
        self._cursor += 1
        run.status = body["status"] if kind is Kind.COMPLETED else "running"
        row = AgentEvent(
            user_id=run.user_id,
            cursor=self._cursor,
            run=run,
            seq=run.last_seq,
            type=kind,
            event_id=event_id,
            body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            digest=digest,
            created_at=self._now,
        )
        self._rows.append(row)
        return row


def _state_of(run: AgentRun) -> RunState:
    phase = Phase.NEW if run.status == "new" else Phase.RUNNING
    return RunState(
        phase=phase if run.status in OPEN_STATUSES else Phase.CLOSED,
        open_tools=tuple(OpenTool(**tool) for tool in run.open_tools),
        thought=run.thought,
        used_tool=run.used_tool,
        strict=run.strict,
    )
