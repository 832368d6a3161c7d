"""Results about processes as the RPC family shows them, and the two answers about the gateway itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from cache_streams.protocol.rpc.queries import ProcessQuery
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.declaration import Extras
from cache_streams.streams.process import Process

HEALTH_WINDOW_S = 3600.0
"""Processes seen within this time count for the health of the deployment."""

PING_RESULT: Mapping[str, Json] = {"status": "ok"}


def process_result(process: Process, extras: Extras, now: float, window_s: float) -> dict[str, Json]:
    """Return one process; stale when its heartbeat is older than ``window_s`` seconds. Times ending in ``_at``, and
    ``heartbeat``, are ISO as stored; ``last_seen`` is the heartbeat in Unix seconds.
    """
    return {
        "process_id": process.process_id,
        "name": process.component,
        "status": process.status,
        "pid": process.params.get("pid"),
        "last_seen": process.heartbeat,
        "process_type": process.type,
        "component": process.component,
        "message": process.message,
        "params": process.params,
        "created_at": extras.get("created_at"),
        "updated_at": extras.get("updated_at"),
        "heartbeat": extras.get("heartbeat"),
        "stale": _is_stale(process, now, window_s),
    }


def processes_result(
    processes: Iterable[tuple[Process, Extras]], query: ProcessQuery, now: float
) -> dict[str, Json]:
    """Return the processes seen within the time asked for, newest update first."""
    window_s = query.since_minutes * 60.0
    meant = [
        (process, extras)
        for process, extras in _seen(processes, now, window_s)
        if query.process_type in (None, process.type) and query.component in (None, process.component)
    ]
    meant.sort(key=lambda pair: pair[0].updated, reverse=True)
    return {"processes": [process_result(process, extras, now, window_s) for process, extras in meant]}


def component_result(
    processes: Iterable[tuple[Process, Extras]], component: str, now: float
) -> dict[str, Json] | None:
    """Return the process of a component that was updated last; None when it has none."""
    meant = [(process, extras) for process, extras in processes if process.component == component]
    newest = max(meant, key=lambda pair: pair[0].updated, default=None)
    return None if newest is None else process_result(*newest, now, HEALTH_WINDOW_S)


def system_health_result(processes: Iterable[tuple[Process, Extras]], now: float) -> dict[str, Json]:
    """Return counts of the processes seen within an hour; healthy when none of them is stale or in error."""
    seen = [process for process, _ in _seen(processes, now, HEALTH_WINDOW_S)]
    stale = sum(_is_stale(process, now, HEALTH_WINDOW_S) for process in seen)
    errors = sum(process.status == "error" for process in seen)
    healthy = not stale and not errors
    return {
        "healthy": healthy,
        "overall_status": "healthy" if healthy else "degraded",
        "total_processes": len(seen),
        "by_type": Counter(process.type for process in seen),
        "by_status": Counter(process.status for process in seen),
        "stale_processes": stale,
        "error_processes": errors,
        "timestamp": now,
    }


def health_check_result(
    now: float, *, framework: str, cache_healthy: bool, cache_services: Mapping[str, Json]
) -> dict[str, Json]:
    """Return the gateway's own state: that it answers, and whether its Redis does, with details by service."""
    return {
        "websocket": {
            "status": "healthy",
            "framework": framework,
            "transport": "websocket",
            "timestamp": now,
            "services": {},
        },
        "cache": {
            "status": "healthy" if cache_healthy else "unhealthy",
            "timestamp": now,
            "services": cache_services,
        },
    }


def _seen(
    processes: Iterable[tuple[Process, Extras]], now: float, window_s: float
) -> Iterable[tuple[Process, Extras]]:
    for process, extras in processes:
        active_at: float | None = extras.get("active_at")
        if active_at is not None and active_at >= now - window_s:
            yield process, extras


def _is_stale(process: Process, now: float, window_s: float) -> bool:
    return process.heartbeat < now - window_s
