"""Reads of agent runs and events; each asks for one user's own, but for the metadata that administrators see.

The reads for whoever copies rows to the streams' log are ``users_with_news`` and ``events_after``: ``AgentUserLog`` says
where each log ends, so that a notice or a look costs one indexed query, however many events there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cache_streams.agents.models import OPEN_STATUSES, AgentEvent, AgentRun, AgentUserLog
from cache_streams.agents.rules import is_run_id
from cache_streams.protocol.agent_forms import STREAM, VERSION, timestamp, timestamp_ms

PAGE_MAX = 200
PAGE_BYTES_MAX = 1_048_576
OVERLAP = timedelta(seconds=10)
"""``updated_at`` is set while the log's row is locked, a moment before the commit: a look must go so far back."""

Json = dict[str, Any]  # Any: JSON of any shape


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a user's log stands: cursors ``floor`` + 1 to ``last`` are stored. ``log_id`` is another after a loss."""

    user_id: int
    log_id: str
    last: int
    floor: int


def users_with_news(since: datetime | None = None) -> list[Standing]:
    """Return the logs that may have grown since ``since``, all of them for None; compare ``last`` with what is known.

    Pass the moment at which the previous look began. Logs touched up to 10 s before are told again.
    """
    logs = AgentUserLog.objects.all()
    if since is not None:
        logs = logs.filter(updated_at__gte=since - OVERLAP)
    return [_standing(log) for log in logs.order_by("updated_at")]


def standing(user_id: int) -> Standing | None:
    """Return where a user's log stands, None before the first run."""
    log = AgentUserLog.objects.filter(pk=user_id).first()
    return None if log is None else _standing(log)


def events_after(user_id: int, cursor: int, limit: int = PAGE_MAX) -> list[Json]:
    """Return a user's canonical events with a greater cursor, oldest first.

    At most ``limit``, and no more than fit into 1 MiB (but one): fewer than ``limit`` do not mean the end; none does.
    """
    rows = AgentEvent.objects.filter(user=user_id, cursor__gt=cursor).order_by("cursor")
    return _page(rows.select_related("run")[:limit].iterator(chunk_size=50))


def events_of_run(user_id: int, run_id: str, after_seq: int, limit: int = PAGE_MAX) -> list[Json]:
    """Return the canonical events of one of a user's runs, oldest first, bounded as ``events_after``."""
    rows = AgentEvent.objects.filter(user=user_id, run=run_id, seq__gt=after_seq).order_by("seq")
    return _page(rows.select_related("run")[:limit].iterator(chunk_size=50))


def run_of(user_id: int, run_id: str) -> AgentRun | None:
    """Return a user's run; None for unknown runs and those of others alike."""
    return AgentRun.objects.filter(user=user_id, pk=run_id).first() if is_run_id(run_id) else None


def runs_of(
    user_id: int, *, thread_id: str | None = None, status: str | None = None, limit: int = 50
) -> Sequence[AgentRun]:
    """Return a user's runs, the newest first."""
    return _runs({"user": user_id, "thread_id": thread_id, "status": status}, limit)


def active_runs(user_id: int) -> Sequence[AgentRun]:
    """Return a user's runs that have not ended, the oldest first."""
    return list(AgentRun.objects.filter(user=user_id, status__in=OPEN_STATUSES).order_by("started_at"))


def runs_of_all(
    *, user_id: int | None = None, status: str | None = None, limit: int = 50
) -> Sequence[AgentRun]:
    """Return runs of any user, the newest first. For administrators, who see metadata only."""
    return _runs({"user": user_id, "status": status}, limit)


def canonical(event: AgentEvent, run: AgentRun) -> Json:
    """Return the canonical event: common fields, then those specific to its type."""
    return {
        "type": event.type,
        "stream": STREAM,
        "version": VERSION,
        "event_id": str(event.event_id),
        "run_id": run.pk,
        "thread_id": run.thread_id,
        "user_id": str(event.user_id),
        "agent_name": run.agent_name,
        "seq": event.seq,
        "cursor": event.cursor,
        "timestamp": timestamp(event.created_at),
        "timestamp_ms": timestamp_ms(event.created_at),
        **json.loads(event.body),
    }


def _page(rows: Iterable[AgentEvent]) -> list[Json]:
    page: list[Json] = []
    size = 0
    for row in rows:
        size += len(row.body)
        if page and size > PAGE_BYTES_MAX:
            break
        page.append(canonical(row, row.run))
    return page


def _runs(wanted: dict[str, str | int | None], limit: int) -> list[AgentRun]:
    given = {name: value for name, value in wanted.items() if value is not None}
    return list(AgentRun.objects.filter(**given).order_by("-started_at", "pk")[:limit])


def _standing(log: AgentUserLog) -> Standing:
    return Standing(log.user_id, str(log.log_id), log.last_cursor, log.floor_cursor)
