"""Processes of a benchmark: which core they run on, what they used, how they start and end."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from cache_streams.server.children import dying_with_parent

SERVER_CORE = 0
OTHER_CORES = set(range(os.cpu_count() or 1)) - {SERVER_CORE} or {SERVER_CORE}
"""Where receiver, publisher, relay and Redis run."""
START_DEADLINE_S = 20.0
_LOOK_S = 0.02


class NotStartedError(Exception):
    """A server did not accept connections in time; the text ends with its last lines."""


def pin(pids: Iterable[int], cores: Iterable[int]) -> None:
    """Let every thread of these processes run on these cores only. On Linux; elsewhere nothing is pinned."""
    if not hasattr(os, "sched_setaffinity"):
        return
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds that these processes have used, to the nanosecond and with threads that have ended."""
    # The clock of another process, as clock_getcpuclockid(3) makes it: Linux counts it where `ps` only samples.
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def resident_kb(pids: Iterable[int]) -> float:
    """Return the KB (1,024 bytes) of memory that these processes hold."""
    return sum(psutil.Process(pid).memory_info().rss for pid in pids) / 1024


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def family_with_worker(pid: int) -> list[int]:
    """Return a process and those below it once there is one: a server may accept before it has forked its worker."""
    deadline = time.monotonic() + START_DEADLINE_S
    while len(found := family(pid)) == 1 and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return found


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    command: list[str], port: int, log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a server until the block ends; yield its pid once it accepts on ``port``. Raises: NotStartedError."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            dying_with_parent(*command),
            stdout=output,
            stderr=output,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
    try:
        _await(process, port, log)
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(3.0)
        process.kill()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(_LOOK_S)
    raise NotStartedError(f"{process.args!r} does not accept on {port}: {log.read_text()[-2000:]}")
