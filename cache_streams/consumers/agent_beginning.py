"""Where the stream of an agents socket begins: what the client asks to see, from which cursor, and what is no more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cache_streams.agents import bodies, selectors
from cache_streams.agents.refusals import AgentRefused
from cache_streams.agents.rights import Caller
from cache_streams.agents.selectors import Standing
from cache_streams.consumers.agent_requests import own_run, reading
from cache_streams.protocol.agents.frames import ActiveRun, ResumeGap
from cache_streams.protocol.agents.requests import BadFrame, text_param
from cache_streams.protocol.strict_json import Json

_CURSOR = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants to see; ``after`` None: only what is new."""

    run_id: str | None = None
    thread_id: str | None = None
    after: int | None = None
    log_id: str | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """A stream after ``told``: what the log holds up to ``until`` is backlog, if ``asked`` names a cursor."""

    asked: Asked
    told: int
    until: int
    gap: ResumeGap | None
    log_id: str = ""


def read_asked(params: Mapping[str, Json]) -> Asked:
    """Return what parameters ask for. Raises: BadFrame, AgentRefused (INVALID_CURSOR)."""
    after = params.get("after")
    if isinstance(after, bool) or not (after is None or _CURSOR.fullmatch(str(after))):
        raise AgentRefused("INVALID_CURSOR", "after must be a whole number from 0.")
    asked = Asked(
        run_id=text_param(params, "run_id"),
        thread_id=text_param(params, "thread_id"),
        after=None if after is None else int(after),
        log_id=text_param(params, "log_id"),
    )
    if asked.run_id is not None and asked.thread_id is not None:
        raise BadFrame("INVALID_PARAMS", "run_id and thread_id exclude one another")
    return asked


def begin(caller: Caller, asked: Asked, welcomed: Standing | None = None) -> Beginning:
    """Return where to begin: where the log stands, or stood when it was told in the welcome.

    Raises: AgentRefused (FORBIDDEN, RUN_NOT_FOUND, INVALID_CURSOR).
    """
    reading(caller)
    if asked.run_id is not None:
        own_run(caller, asked.run_id)
    standing = welcomed or standing_of(caller)
    if asked.after is None:
        return Beginning(asked, standing.last, standing.last, None, standing.log_id)
    query = bodies.PageQuery(asked.after, 1, asked.log_id)
    resumed = bodies.resume(standing if standing.log_id else None, query)
    gap = resumed.body["gap"]
    return Beginning(
        asked, resumed.after, standing.last, None if gap is None else ResumeGap(**gap), standing.log_id
    )


def standing_of(caller: Caller) -> Standing:
    """Return where the user's log stands, also before there is one."""
    return selectors.standing(caller.user_id) or Standing(caller.user_id, "", 0, 0)


def active_runs(caller: Caller, standing: Standing) -> tuple[Sequence[ActiveRun], int]:
    """Return the user's runs that have not ended, and the cursor after which all of them is told."""
    runs = selectors.active_runs(caller.user_id) if caller.may("read") else []
    active = [ActiveRun(run_id=run.pk, thread_id=run.thread_id, last_seq=run.last_seq) for run in runs]
    before = min((run.start_cursor - (run.start_event_id is not None) for run in runs), default=standing.last)
    return active, max(before, standing.floor)
