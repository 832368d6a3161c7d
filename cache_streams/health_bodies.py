"""The JSON of the health routes, built from a report; the shapes are those of the replaced system and more."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from cache_streams.health import CHECKER, INTERVAL_S, Component, Report, issues_of, status_of

SERVICE = "fullon_master_api"  # clients compare it
COLLECTORS = {"ticker": "tick", "ohlcv": "ohlcv", "account": "account"}
"""Services of the deployment, and the type under which their processes register."""

_STARTED = time.monotonic()
Json = dict[str, Any]  # Any: JSON of any shape


def uptime_s() -> float:
    """Return how long this process has answered, in seconds."""
    return round(time.monotonic() - _STARTED, 3)


def health(report: Report | None) -> Json:
    """Return the body of ``/health``; before the first look components are ``unknown`` and nothing is wrong yet."""
    return {
        "status": status_of(report),
        "version": settings.API_VERSION,
        "service": SERVICE,
        **monitor(report),
        "services": services(report),
        "processes": {"active_count": sum(_active(report, kind) for kind in _kinds(report))},
        "uptime_seconds": uptime_s(),
        "components": components(report),
    }


def monitor(report: Report | None) -> Json:
    """Return the body of ``/health/monitor``. Nothing is ever restarted: the gateway controls no service."""
    next_check = None if report is None else report.checked_at + INTERVAL_S
    return {
        "status": status_of(report),
        "monitoring": {
            "enabled": True,
            "is_running": CHECKER.is_running,
            "check_interval_seconds": INTERVAL_S,
            "last_check": None if report is None else _iso(report.checked_at),
            "next_check": None if next_check is None else _iso(next_check),
        },
        "auto_restart": {
            "enabled": False,
            "cooldown_seconds": 0,
            "max_restarts_per_hour": 0,
            "services_to_monitor": list(COLLECTORS),
        },
        "metrics": {
            "uptime_seconds": uptime_s(),
            "total_checks": CHECKER.rounds,
            "total_issues_found": CHECKER.failures,
            "total_recovery_actions": 0,
            "service_restart_counts": {},
            "action_history_count": 0,
            "is_running": CHECKER.is_running,
        },
        "issues": issues_of(report),
        "recovery_actions": [],
        "recent_actions": [],
    }


def services(report: Report | None) -> Json:
    """Return each service's state as its own signs of life in the cache tell it."""
    running = {name: _active(report, kind) > 0 for name, kind in COLLECTORS.items()}
    running |= {"relay": _active(report, "relay") > 0, "health_monitor": CHECKER.is_running}
    return {
        name: {"service": name, "status": "running" if alive else "stopped", "is_running": alive}
        for name, alive in running.items()
    }


def components(report: Report | None) -> Json:
    """Return database, Redis and the channel layer, which lives in that Redis."""
    if report is None:
        return {name: {"status": "unknown"} for name in ("database", "redis", "channel_layer")}
    redis = report.components["redis"]
    return {
        name: _component(component)
        for name, component in {**report.components, "channel_layer": redis}.items()
    }


def check(report: Report) -> Json:
    """Return the body of ``POST /health/check``."""
    return {
        "status": "completed",
        "result": {
            "timestamp": _iso(report.checked_at),
            "checks_performed": ["service_health", "process_cache", "database", "redis"],
            "issues_found": issues_of(report),
            "recovery_actions": [],
            "overall_status": status_of(report),
            "metrics": monitor(report)["metrics"],
        },
    }


def _component(component: Component) -> Json:
    if component.connected:
        return {"status": "connected", "latency_ms": component.latency_ms}
    return {"status": "unavailable", "latency_ms": None, "reason": component.reason}


def _kinds(report: Report | None) -> list[str]:
    findings = {} if report is None else report.components["redis"].findings
    return [kind for kind in findings if kind != "relay"]


def _active(report: Report | None, kind: str) -> int:
    return 0 if report is None else int(report.components["redis"].findings.get(kind, 0))


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
