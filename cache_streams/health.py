"""Whether this process and its neighbours are well: looked at in the background, told without waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

import structlog
from django.conf import settings
from django.db import connections

from cache_streams import metrics
from cache_streams.log_names import lease_key
from cache_streams.streams import values
from cache_streams.streams.process import PROCESS_TYPES, STALE_AFTER_S

CHECK_TIMEOUT_S = 1.0
INTERVAL_S = 5.0
INTERVAL_WHILE_ILL_S = 1.0
REUSE_S = 0.5
"""A report this young answers a readiness probe too: many probes cost one look."""
IDLE_AFTER_S = 300.0
"""The background looks end when nobody has asked for so long; the next question starts them again."""

STOPPING = threading.Event()
"""Set once this process was asked to stop: it serves whom it has, and wants nobody new."""

logger = structlog.get_logger(__name__)
Findings = Mapping[str, int | bool]


@dataclass(frozen=True, slots=True)
class Component:
    """One neighbour: ``latency_ms`` of its answer, or why there was none. ``findings`` are what it told."""

    connected: bool
    latency_ms: float | None = None
    reason: str | None = None
    findings: Findings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """One look at every neighbour; ``checked_at`` in Unix seconds."""

    checked_at: float
    components: Mapping[str, Component]


class Checker:
    """Looks at the neighbours, each look in a thread of its own and given up after 1 s.

    A neighbour that never answers holds one thread, whatever the number of looks.
    """

    def __init__(self, looks: Mapping[str, Callable[[], Findings]]) -> None:
        self._looks = looks
        self._hanging: dict[str, threading.Thread] = {}
        self._looking = threading.Lock()
        self._starting = threading.Lock()
        self._watcher: threading.Thread | None = None
        self._stopping = threading.Event()
        self._asked_at = 0.0
        self._report: Report | None = None
        self.rounds = 0
        self.failures = 0

    @property
    def is_running(self) -> bool:
        """Whether the background looks are under way."""
        return self._watcher is not None and self._watcher.is_alive()

    def last(self) -> Report | None:
        """Return the newest report at once, None before the first; starts the background looks."""
        self._asked_at = time.monotonic()
        with self._starting:
            if not self.is_running:
                self._stopping.clear()
                self._watcher = threading.Thread(target=self._watch, name="health", daemon=True)
                self._watcher.start()
        return self._report

    def fresh(self, max_age_s: float = REUSE_S) -> Report:
        """Return a report at most ``max_age_s`` old, waiting 1 s for it at most (2 s behind another's look)."""
        with self._looking:
            if self._report is None or time.time() - self._report.checked_at > max_age_s:
                self._report = self._look()
            return self._report

    def stop(self) -> None:
        """End the background looks and wait until they have ended; the next question starts them again."""
        with self._starting:
            self._stopping.set()
            if self._watcher is not None:
                self._watcher.join()

    def _watch(self) -> None:
        interval_s = 0.0
        while not self._stopping.wait(interval_s) and time.monotonic() - self._asked_at < IDLE_AFTER_S:
            interval_s = INTERVAL_WHILE_ILL_S if issues_of(self.fresh(max_age_s=0.0)) else INTERVAL_S

    def _look(self) -> Report:
        self.rounds += 1
        started = time.monotonic()
        answers = {name: self._ask(name, look) for name, look in self._looks.items()}
        components = {name: self._answer(name, future, started) for name, future in answers.items()}
        self._log_changes(components)
        return Report(time.time(), components)

    def _ask(self, name: str, look: Callable[[], Findings]) -> Future[tuple[float, Findings]] | None:
        """Start one look; None while the previous one still waits."""
        if name in self._hanging and self._hanging[name].is_alive():
            return None
        future: Future[tuple[float, Findings]] = Future()

        def run() -> None:
            started = time.monotonic()
            try:
                findings = look()
            except Exception as exc:  # noqa: BLE001 - a thread's root: whatever failed is the finding, logged below
                future.set_exception(exc)
            else:
                future.set_result(((time.monotonic() - started) * 1000, findings))

        self._hanging[name] = threading.Thread(target=run, name=f"health-{name}", daemon=True)
        self._hanging[name].start()
        return future

    def _answer(self, name: str, future: Future[tuple[float, Findings]] | None, started: float) -> Component:
        reason = f"{name} did not answer within {CHECK_TIMEOUT_S:g} s"
        left_s = max(0.0, started + CHECK_TIMEOUT_S - time.monotonic())
        if future is not None and wait([future], left_s).done:
            failure = future.exception()
            if failure is None:
                latency_ms, findings = future.result()
                return Component(connected=True, latency_ms=round(latency_ms, 2), findings=findings)
            reason = f"{name} failed: {type(failure).__name__}"  # its text may hold an address or a password
        self.failures += 1
        metrics.HEALTH_FAILURES.labels(name).inc()
        return Component(connected=False, reason=reason)

    def _log_changes(self, components: Mapping[str, Component]) -> None:
        for name, component in components.items():
            before = None if self._report is None else self._report.components[name].reason
            if component.reason and component.reason != before:
                logger.warning("neighbour_away", component=name, reason=component.reason)
            elif before and not component.reason:
                logger.info("neighbour_back", component=name)


def look_at_database() -> Findings:
    """Ask the database for 1, over a connection of its own. Raises ``django.db.Error``."""
    connection = connections.create_connection("default")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()
    return {}


def look_at_redis() -> Findings:
    """Return ``relay`` (somebody holds the lease) and how many processes of each type are alive.

    Source: ``{GW_PREFIX}:{relay}:lease`` and the hashes ``process:active:{type}``. Raises ``redis.RedisError``.
    """
    now = time.time()
    with (
        settings.REDIS_CLIENT(
            settings.REDIS_URL, socket_timeout=CHECK_TIMEOUT_S, socket_connect_timeout=CHECK_TIMEOUT_S
        ) as client,
        client.pipeline(transaction=False) as pipeline,
    ):
        pipeline.exists(lease_key(settings.GW_PREFIX))
        for kind in PROCESS_TYPES:
            pipeline.hvals(f"process:active:{kind}")
        relay, *active = pipeline.execute(raise_on_error=False)
    if isinstance(relay, Exception):  # as NOAUTH: connected, and yet of no use
        raise relay
    counts = {
        kind: sum(
            now - (values.epoch(seen.decode("utf-8", "replace")) or 0.0) <= STALE_AFTER_S for seen in times
        )
        for kind, times in zip(PROCESS_TYPES, active, strict=True)
        if isinstance(times, list)  # a key of the wrong type is somebody else's trouble
    }
    return {"relay": bool(relay), **counts}


def issues_of(report: Report | None) -> list[str]:
    """Return what is wrong, one sentence each; nothing before the first look."""
    if report is None:
        return []
    issues = [component.reason for component in report.components.values() if component.reason]
    redis = report.components.get("redis")
    if redis is not None and redis.connected and not redis.findings.get("relay"):
        issues.append("no relay is running: nothing new reaches the sockets")
    return issues


def status_of(report: Report | None) -> str:
    """Return ``healthy``, ``degraded`` (what is stored can be served) or ``unhealthy`` (nobody can be recognised)."""
    if report is not None and not report.components["database"].connected:
        return "unhealthy"
    return "degraded" if issues_of(report) else "healthy"


CHECKER = Checker({"database": look_at_database, "redis": look_at_redis})
"""The one of this process; its first question starts it."""
