"""What time does to runs and logs: idle runs are ended, old events dropped; in small transactions between appends."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F, Min, Q
from django.utils import timezone

from cache_streams.agents.appending import lock_log
from cache_streams.agents.models import AgentEvent, AgentRun, AgentUserLog
from cache_streams.agents.services import time_out_run
from cache_streams.agents.writing import writing
from cache_streams.metrics import AGENTS_TRIMMED

INTERVAL_S = 5.0
TRIM_EVERY_S = 60.0
RUNS_PER_SWEEP = 200
LOGS_PER_TRIM = 200
EVENTS_PER_TRANSACTION = 1000

logger = structlog.get_logger(__name__)


def sweep_for_ever(wait: Callable[[float], bool]) -> None:
    """Sweep until ``wait(seconds)`` returns True. A database that is away is tried again at the next turn."""
    trimmed_at = -TRIM_EVERY_S
    pause_s = 0.0
    while not wait(pause_s):
        pause_s = min(INTERVAL_S, settings.AGENTS_RUN_IDLE_TIMEOUT_S)
        try:
            time_out_runs()
            if time.monotonic() - trimmed_at >= TRIM_EVERY_S:
                trimmed_at = time.monotonic()
                trim()
        except DatabaseError as error:
            logger.warning("sweep of agent runs failed", error=type(error).__name__)
            connection.close_if_unusable_or_obsolete()


def time_out_runs() -> int:
    """End the runs that have been silent for too long or open for longer than events are kept; return how many."""
    now = timezone.now()
    idle_since = now - timedelta(seconds=settings.AGENTS_RUN_IDLE_TIMEOUT_S)
    open_since = now - timedelta(seconds=settings.AGENTS_RETENTION_S)
    overdue = AgentRun.objects.filter(Q(updated_at__lte=idle_since) | Q(started_at__lte=open_since))
    run_ids = overdue.filter(completed_at=None).values_list("pk", flat=True)[:RUNS_PER_SWEEP]
    return sum(time_out_run(pk, idle_since=idle_since, open_since=open_since) for pk in list(run_ids))


def trim() -> int:
    """Drop events beyond age and number, the oldest first, never those of open runs; return how many.

    Only the beginning of a log is dropped, so that it has no gaps: what comes after an open run's first event waits for
    the run's end.
    """
    before = timezone.now() - timedelta(seconds=settings.AGENTS_RETENTION_S)
    too_many = Q(last_cursor__gt=F("floor_cursor") + settings.AGENTS_RETENTION_EVENTS)
    logs = AgentUserLog.objects.filter(too_many | Q(oldest_at__lt=before)).order_by("oldest_at")
    dropped = 0
    for user_id in list(logs.values_list("pk", flat=True)[:LOGS_PER_TRIM]):
        while piece := _trim_piece(user_id, before):
            dropped += piece
    AGENTS_TRIMMED.inc(dropped)
    return dropped


def _trim_piece(user_id: int, before: datetime) -> int:
    """Drop up to 1,000 events of one log and the ended runs of which nothing is left; return how many events went."""
    with writing():
        log = lock_log(user_id)
        floor = _new_floor(log, before)
        events = AgentEvent.objects.filter(user=user_id)
        gone, _ = events.filter(cursor__gt=log.floor_cursor, cursor__lte=floor).delete()
        if floor > log.floor_cursor:
            oldest = events.filter(cursor=floor + 1).values_list("created_at", flat=True).first()
            AgentUserLog.objects.filter(pk=user_id).update(floor_cursor=floor, oldest_at=oldest)
            AgentRun.objects.filter(user=user_id, completed_at__lt=before, events=None).delete()
    return gone


def _new_floor(log: AgentUserLog, before: datetime) -> int:
    """Return the greatest cursor that may go now."""
    events = AgentEvent.objects.filter(user=log.pk)
    kept = events.filter(cursor__gt=log.floor_cursor)
    first_young = (
        kept.filter(created_at__gte=before).order_by("cursor").values_list("cursor", flat=True).first()
    )
    too_old = log.last_cursor if first_young is None else first_young - 1
    beyond = log.last_cursor - settings.AGENTS_RETENTION_EVENTS
    first_open = events.filter(run__completed_at=None).aggregate(first=Min("cursor"))["first"]
    wanted = max(too_old, beyond, log.floor_cursor)
    if first_open is not None:
        wanted = min(wanted, first_open - 1)
    return min(wanted, log.floor_cursor + EVENTS_PER_TRANSACTION)
