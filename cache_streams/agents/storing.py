"""Storing an append: events, run and log by one statement on PostgreSQL, by three on SQLite.

While an append holds its user's log, every trip to the database keeps that user's other producers waiting; composing the
statements anew costs more than sending them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from django.db import connection
from django.db.models import Field, Model

from cache_streams.agents.models import AgentEvent, AgentRun, AgentUserLog

RUN_COLUMNS = (
    "status",
    "last_seq",
    "open_tools",
    "thought",
    "used_tool",
    "updated_at",
    "completed_at",
)

AnyField: TypeAlias = "Field[Any, Any]"  # Any: fields of several types
Values: TypeAlias = list[Any]  # Any: what each database takes for a column


def _field(model: type[Model], name: str) -> AnyField:
    field: AnyField = model._meta.get_field(name)  # type: ignore[assignment]  # noqa: SLF001 - none of these is a relation to many
    return field


_EVENT_FIELDS: list[AnyField] = [field for field in AgentEvent._meta.concrete_fields if not field.primary_key]  # noqa: SLF001 - Django's name
_RUN_FIELDS = [_field(AgentRun, name) for name in RUN_COLUMNS]
_MOMENT = _field(AgentUserLog, "updated_at")

_ROW = f"({', '.join(['%s'] * len(_EVENT_FIELDS))})"
_INSERT = (
    f"INSERT INTO {AgentEvent._meta.db_table} "  # noqa: S608, SLF001 - the models' own names
    f"({', '.join(str(field.column) for field in _EVENT_FIELDS)}) VALUES "
)
_RUN = (
    f"UPDATE {AgentRun._meta.db_table} "  # noqa: S608, SLF001 - as above
    f"SET {', '.join(f'{name} = %s' for name in RUN_COLUMNS)} WHERE id = %s"
)
_LOG = (
    f"UPDATE {AgentUserLog._meta.db_table} "  # noqa: S608, SLF001 - as above
    "SET last_cursor = %s, oldest_at = COALESCE(oldest_at, %s), updated_at = %s WHERE user_id = %s"
)
_READ = (
    f"SELECT run.*, log.last_cursor AS log_cursor FROM {AgentRun._meta.db_table} run "  # noqa: S608, SLF001 - as above
    f"JOIN {AgentUserLog._meta.db_table} log ON log.user_id = run.user_id WHERE run.id = %s"  # noqa: SLF001 - as above
)
# Both rows, the log first: who waited reads of a locked row what was committed meanwhile, of any other what was before.
# Of this strength because stronger ones would wait for rows that only refer to these.
_LOCKING = " FOR NO KEY UPDATE OF log, run"


def read_locked(run_id: str) -> tuple[AgentRun, int] | None:
    """Return a run and the last cursor of its owner's log, both locked until the transaction ends; None for no run."""
    # SQLite's transactions hold the only lock there is from the start.
    asked = _READ + _LOCKING if connection.features.has_select_for_update else _READ
    run = next(iter(AgentRun.objects.raw(asked, [run_id])), None)
    return None if run is None else (run, run.log_cursor)  # type: ignore[attr-defined]  # as the statement calls it


def store(
    rows: Sequence[AgentEvent], run_id: str, of_run: Mapping[str, Any], user_id: int, now: datetime
) -> None:
    """Store the rows of one run, what of the run they changed (``RUN_COLUMNS``) and that the log reaches the last row.

    Raises: ``django.db.DatabaseError``.
    """
    events = [
        _values(_EVENT_FIELDS, [getattr(row, field.attname) for field in _EVENT_FIELDS]) for row in rows
    ]
    run = [*_values(_RUN_FIELDS, [of_run[name] for name in RUN_COLUMNS]), run_id]
    moment = _values([_MOMENT], [now])
    log = [rows[-1].cursor, *moment, *moment, user_id]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            inserted = f"{_INSERT}{', '.join([_ROW] * len(events))}"
            whole = f"WITH stored AS ({inserted}), told AS ({_RUN}) {_LOG}"
            cursor.execute(whole, [value for event in events for value in event] + run + log)
            return
        cursor.executemany(_INSERT + _ROW, events)
        cursor.execute(_RUN, run)
        cursor.execute(_LOG, log)


def _values(fields: Sequence[AnyField], values: Values) -> Values:
    return [field.get_db_prep_save(value, connection) for field, value in zip(fields, values, strict=True)]
