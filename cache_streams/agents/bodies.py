"""Shapes of the JSON about runs: queries read strictly, answers built from rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from cache_streams.agents import rules
from cache_streams.agents.models import STATUSES, AgentRun
from cache_streams.agents.refusals import AgentRefused, Invalid
from cache_streams.agents.selectors import PAGE_MAX, Standing
from cache_streams.agents.services import Appended, Started
from cache_streams.protocol.agent_forms import WireForm, on_the_wire, timestamp

Json = dict[str, Any]  # Any: JSON of any shape
Query = Mapping[str, str]
LIMIT_DEFAULT = 50
_KEY = re.compile(r"[!-~]{1,64}")
_NUMBER = re.compile(r"[0-9]{1,18}")


class RunQuery(TypedDict):
    """Filters of a list of own runs."""

    thread_id: str | None
    status: str | None
    limit: int


class AdminQuery(TypedDict):
    """Filters of a list of everybody's runs."""

    user_id: int | None
    status: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Where a page begins; ``log_id`` is that of the log in which ``after`` was seen, if the client tells."""

    after: int
    limit: int
    log_id: str | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a page really begins, and what the client must be told about it."""

    after: int
    body: Json


def read_run_query(query: Query) -> RunQuery:
    """Return the filters. Raises: Invalid."""
    thread_id = query.get("thread_id")
    try:
        thread_id = thread_id and rules.name(thread_id)
    except rules.Broken as broken:
        raise Invalid({"thread_id": [f"thread_id {broken}"]}) from broken
    return {"thread_id": thread_id or None, "status": _status(query), "limit": _limit(query)}


def read_admin_query(query: Query) -> AdminQuery:
    """Return the filters. Raises: Invalid."""
    user_id = _number(query, "user_id", default=0)
    return {"user_id": user_id or None, "status": _status(query), "limit": _limit(query)}


def read_page_query(query: Query, name: str) -> PageQuery:
    """Return where to begin; ``name`` is the parameter that says so. Raises: Invalid."""
    return PageQuery(_number(query, name, default=0), _limit(query), query.get("log_id"))


def read_idempotency_key(header: str | None) -> str:
    """Return the header's value, "" without one. Raises: Invalid."""
    if header is not None and not _KEY.fullmatch(header):
        raise Invalid({"Idempotency-Key": ["Idempotency-Key must be 1 to 64 visible ASCII characters"]})
    return header or ""


def resume(standing: Standing | None, query: PageQuery) -> Resume:
    """Return where to go on after ``query.after``; a loss is told as ``gap``.

    Raises: AgentRefused (INVALID_CURSOR) for a cursor that the log has not reached.
    """
    if standing is None:
        standing = Standing(0, "", 0, 0)
    reset = query.log_id is not None and query.log_id != standing.log_id
    body: Json = {
        "log_id": standing.log_id or None,
        "tail": standing.last,
        "oldest": standing.floor + 1,
        "gap": None,
    }
    if query.after > standing.last and not reset:
        raise AgentRefused("INVALID_CURSOR", "The log has not reached this cursor.", tail=standing.last)
    if not reset and query.after >= standing.floor:
        return Resume(query.after, body)
    after = standing.floor
    if reset or query.after:  # from the beginning is no claim to what was there
        body["gap"] = {
            "requested": query.after,
            "oldest": standing.floor + 1,
            "lost": standing.floor if reset else standing.floor - query.after,
            "reason": "log_reset" if reset else "trimmed",
        }
    return Resume(after, body)


def run(found: AgentRun) -> Json:
    """Return a run as its owner sees it."""
    return {
        **metadata(found),
        "thread_id": found.thread_id,
        "profile": "strict" if found.strict else "standard",
        "open_tools": [
            {"execution_id": tool["execution_id"], "tool_name": tool["tool_name"]}
            for tool in found.open_tools
        ],
        "user_context": found.context,
    }


def events_of(run_id: str, last_seq: int, after: int, events: Sequence[Json], form: WireForm) -> Json:
    """Return a page of one run's events after the number ``after``; ``has_more`` says whether to ask again."""
    told = events[-1]["seq"] if events else max(after, last_seq)
    return {
        "run_id": run_id,
        "events": [on_the_wire(event, form, replayed=True) for event in events],
        "last_seq": told,
        "has_more": told < last_seq,
    }


def metadata(found: AgentRun) -> Json:
    """Return owner, status, counts and times of a run: what administrators see."""
    return {
        "run_id": found.pk,
        "user_id": str(found.user_id),
        "producer_id": str(found.producer_id),
        "agent_name": found.agent_name,
        "status": found.status,
        "last_seq": found.last_seq,
        "started_at": timestamp(found.started_at),
        "updated_at": timestamp(found.updated_at),
        "completed_at": None if found.completed_at is None else timestamp(found.completed_at),
    }


def started(answer: Started) -> Json:
    """Return the answer to a start."""
    return {
        "run_id": answer.run_id,
        "thread_id": answer.thread_id,
        "user_id": str(answer.user_id),
        "status": answer.status,
        "seq": answer.seq,
        "cursor": answer.cursor,
        "event_id": answer.event_id,
    }


def appended(answer: Appended) -> Json:
    """Return the answer to an append."""
    events = [
        {"event_id": e.event_id, "seq": e.seq, "cursor": e.cursor}
        | ({"duplicate": True} if e.duplicate else {})
        for e in answer.events
    ]
    body: Json = {
        "run_id": answer.run_id,
        "first_seq": answer.events[0].seq,
        "last_seq": answer.events[-1].seq,
        "cursor": answer.events[-1].cursor,
        "events": events,
    }
    return body | {"duplicate": True} if answer.duplicate else body


def _status(query: Query) -> str | None:
    status = query.get("status")
    if status is not None and status not in STATUSES:
        raise Invalid({"status": [f"status must be one of {', '.join(STATUSES)}"]})
    return status


def _limit(query: Query) -> int:
    limit = _number(query, "limit", default=LIMIT_DEFAULT)
    if not 1 <= limit <= PAGE_MAX:
        raise Invalid({"limit": [f"limit must be a whole number from 1 to {PAGE_MAX}"]})
    return limit


def _number(query: Query, name: str, *, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        raise Invalid({name: [f"{name} must be a whole number from 0"]})
    return int(text)
