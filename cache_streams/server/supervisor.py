"""Keeps N workers and one relay alive on one listening socket, and ends them all together."""

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from cache_streams.metrics import CHILD_ENDS
from cache_streams.scraping import telling
from cache_streams.server.children import exit_reason, management_command

_BACKOFF_MIN_S = 0.1
_BACKOFF_MAX_S = 10.0
_STABLE_AFTER_S = 10.0
_STOP_PATIENCE_S = 30.0

log = structlog.get_logger(__name__)


@dataclass
class _Child:
    """One place that is always filled: its name in the log, its command, what it inherits, who fills it now."""

    name: str
    command: list[str]
    inherits: tuple[int, ...] = ()
    process: asyncio.subprocess.Process | None = field(default=None)

    def send(self, number: signal.Signals) -> None:
        if self.process and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)


class Supervisor:
    """Runs ``workers`` workers on ``listener``, and one relay; ``on_ready`` is called once all workers accept."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        workers: int,
        on_ready: Callable[[], None],
        patience_s: float = _STOP_PATIENCE_S,
    ) -> None:
        self._on_ready = on_ready
        self._patience_s = patience_s
        self._workers = workers
        self._ready_pids: set[int] = set()
        self._ready_read, self._ready_write = os.pipe()
        self._metrics = Path(tempfile.mkdtemp(prefix="gw-"))
        inherited = (listener.fileno(), self._ready_write)
        arguments = ("--listener", str(inherited[0]), "--ready", str(inherited[1]))
        self._children = [
            _Child(name, management_command("worker", *arguments, *self._telling(name)), inherited)
            for name in (f"worker {number}" for number in range(1, workers + 1))
        ]
        self._children.append(_Child("relay", management_command("relay", *self._telling("relay"))))

    def _telling(self, name: str) -> tuple[str, ...]:
        return ("--metrics", str(self._metrics), "--name", name)

    async def run(self) -> None:
        """Return once SIGTERM or SIGINT came and every child has ended; a second signal kills what still drains."""
        try:
            async with telling(self._metrics, "supervisor"):
                await self._run()
        finally:
            shutil.rmtree(self._metrics, ignore_errors=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        asked_to_stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, asked_to_stop)
        loop.add_reader(self._ready_read, self._note_ready)
        keepers = [asyncio.create_task(self._keep(child), name=child.name) for child in self._children]
        waiter = asyncio.create_task(asked_to_stop.wait())
        try:
            done, _ = await asyncio.wait([waiter, *keepers], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {waiter}:
                task.result()  # a keeper never returns: this raises what ended it
        finally:
            for task in (waiter, *keepers):
                task.cancel()
            await asyncio.gather(waiter, *keepers, return_exceptions=True)
            await self._stop()
            loop.remove_reader(self._ready_read)
            os.close(self._ready_read)
            os.close(self._ready_write)

    def _on_signal(self, asked_to_stop: asyncio.Event) -> None:
        if asked_to_stop.is_set():
            for child in self._children:
                child.send(signal.SIGKILL)
        asked_to_stop.set()

    def _note_ready(self) -> None:
        before = len(self._ready_pids)
        self._ready_pids.update(int(line) for line in os.read(self._ready_read, 4096).split())
        if before < self._workers <= len(self._ready_pids):
            self._on_ready()

    async def _keep(self, child: _Child) -> None:
        """Fill the place of ``child`` again and again, slower while it keeps dying young."""
        loop = asyncio.get_running_loop()
        delay_s = _BACKOFF_MIN_S
        while True:
            started_at = loop.time()
            # A session of its own: Ctrl-C in a terminal reaches the supervisor alone, which then drains in order.
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=child.inherits,
                start_new_session=True,
            )
            code = await child.process.wait()
            lived_s = loop.time() - started_at
            CHILD_ENDS.labels(child.name.replace(" ", "-")).inc()
            delay_s = _BACKOFF_MIN_S if lived_s >= _STABLE_AFTER_S else delay_s
            log.warning(
                "%s (pid %d) ended after %.1f s with %s; replaced in %.1f s",
                child.name,
                child.process.pid,
                lived_s,
                exit_reason(code),
                delay_s,
            )
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _BACKOFF_MAX_S)

    async def _stop(self) -> None:
        """Ask the workers to end, then the relay, which feeds them until they are gone; kill what does not end in time."""
        deadline = asyncio.get_running_loop().time() + self._patience_s
        for part in (self._children[: self._workers], self._children[self._workers :]):
            alive = [child for child in part if child.process and child.process.returncode is None]
            for child in alive:
                child.send(signal.SIGTERM)
            await self._ended(alive, deadline)

    async def _ended(self, alive: Sequence[_Child], deadline: float) -> None:
        waits = [asyncio.create_task(child.process.wait()) for child in alive if child.process]
        if not waits:
            return
        left_s = max(_BACKOFF_MIN_S, deadline - asyncio.get_running_loop().time())
        _, pending = await asyncio.wait(waits, timeout=left_s)
        if pending:
            for child in alive:
                if child.process and child.process.returncode is None:
                    log.warning("%s did not end within %.0f s: killed", child.name, self._patience_s)
                child.send(signal.SIGKILL)
            await asyncio.wait(pending)


def serve(listener: socket.socket, *, workers: int, on_ready: Callable[[], None]) -> None:
    """Run the gateway on ``listener`` until SIGTERM or SIGINT."""
    asyncio.run(Supervisor(listener, workers=workers, on_ready=on_ready).run())
