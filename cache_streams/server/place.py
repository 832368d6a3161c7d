"""One place of the supervisor that is always filled: a worker's, or the relay's."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

import structlog

from cache_streams.metrics import CHILD_ENDS
from cache_streams.server.children import exit_reason

BACKOFF_MIN_S = 0.1
_BACKOFF_MAX_S = 10.0
_STABLE_AFTER_S = 10.0

Process: TypeAlias = asyncio.subprocess.Process

log = structlog.get_logger(__name__)


class Readiness:
    """A pipe into which each child writes its process id once it does its work; children inherit ``descriptor``."""

    def __init__(self) -> None:
        self._read, self.descriptor = os.pipe()
        self._pids: set[int] = set()

    def note(self) -> None:
        """Take in what was written, without waiting."""
        self._pids.update(int(line) for line in os.read(self._read, 4096).split())

    def __contains__(self, process: Process | None) -> bool:
        """Return whether a process said that it is ready."""
        return process is not None and process.pid in self._pids

    @property
    def source(self) -> int:
        """What becomes readable when a child has written."""
        return self._read

    def close(self) -> None:
        """Close both ends."""
        os.close(self._read)
        os.close(self.descriptor)


class Place:
    """``name`` in the log, ``command``, the file descriptors that it ``inherits``; ``farewell`` asks it to make room."""

    def __init__(
        self, name: str, command: list[str], inherits: Sequence[int], farewell: signal.Signals
    ) -> None:
        self.name = name
        self._command, self._inherits, self._farewell = command, tuple(inherits), farewell
        self.process: Process | None = None
        self._retired: set[Process] = set()

    def alive(self) -> list[Process]:
        """Return every process of this place that runs: who fills it, and who was replaced and still drains."""
        everyone = {*self._retired, self.process}
        return [process for process in everyone if process is not None and process.returncode is None]

    async def spawn(self) -> Process:
        """Start a process that does not fill the place yet."""
        # A session of its own: Ctrl-C in a terminal reaches the supervisor alone, which then drains in order.
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=self._inherits,
            start_new_session=True,
        )

    async def keep(self) -> None:
        """Fill the place again and again, slower while what fills it keeps dying young."""
        loop = asyncio.get_running_loop()
        delay_s = BACKOFF_MIN_S
        while True:
            started_at = loop.time()
            process = self.process or self._unless_taken(await self.spawn())
            code = await process.wait()
            if not self._is_filled_by(process):
                continue  # it made room: its successor is who to watch now
            lived_s = loop.time() - started_at
            CHILD_ENDS.labels(self.name.replace(" ", "-")).inc()
            delay_s = BACKOFF_MIN_S if lived_s >= _STABLE_AFTER_S else delay_s
            log.warning(
                "%s (pid %d) ended after %.1f s with %s; replaced in %.1f s",
                self.name,
                process.pid,
                lived_s,
                exit_reason(code),
                delay_s,
            )
            self.process = None
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _BACKOFF_MAX_S)

    def _unless_taken(self, spawned: Process) -> Process:
        """Return who fills the place: the process just started, unless a successor took it meanwhile."""
        if self.process is None:
            self.process = spawned
        else:
            send(spawned, signal.SIGKILL)
        return self.process

    def _is_filled_by(self, process: Process) -> bool:
        return self.process is process

    async def give_to(self, successor: Process, patience_s: float) -> None:
        """Let ``successor`` fill the place, and ask who did so to leave; kill it after ``patience_s``."""
        retired, self.process = self.process, successor
        if retired is None or retired.returncode is not None:
            return
        self._retired.add(retired)
        send(retired, self._farewell)
        await ended({retired: self.name}, patience_s, patience_s)
        self._retired.discard(retired)


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


async def ended(names: Mapping[Process, str], left_s: float, patience_s: float) -> None:
    """Wait until all have ended; kill those that have not in ``left_s``, and say that ``patience_s`` were not enough."""
    try:
        async with asyncio.timeout(left_s):
            for process in names:
                await process.wait()
    except TimeoutError:
        for process, name in names.items():
            if process.returncode is None:
                log.warning("%s did not end within %.0f s: killed", name, patience_s)
            send(process, signal.SIGKILL)
        for process in names:
            await process.wait()
