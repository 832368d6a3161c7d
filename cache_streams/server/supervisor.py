"""Keeps N workers and one relay alive on one listening socket, replaces them in turn, and ends them all together."""

import asyncio
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from cache_streams.metrics import ROLLING_RESTARTS
from cache_streams.scraping import telling
from cache_streams.server.children import management_command
from cache_streams.server.place import BACKOFF_MIN_S, Place, Readiness, ended, send

_STOP_PATIENCE_S = 30.0
_READY_PATIENCE_S = 60.0
"""A successor that is not ready by then never will be: nobody makes room for it."""

log = structlog.get_logger(__name__)


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
        self._on_ready: Callable[[], None] | None = on_ready
        self._patience_s = patience_s
        self._ready = Readiness()
        self._metrics = Path(tempfile.mkdtemp(prefix="gw-"))
        ready = ("--ready", str(self._ready.descriptor))
        inherited = (listener.fileno(), self._ready.descriptor)
        self._workers = [
            Place(
                name,
                management_command("worker", "--listener", str(inherited[0]), *ready, *self._telling(name)),
                inherited,
                signal.SIGHUP,
            )
            for name in (f"worker {number}" for number in range(1, workers + 1))
        ]
        relay = management_command("relay", *ready, *self._telling("relay"))
        self._relay = Place("relay", relay, inherited[1:], signal.SIGTERM)
        self._places = [*self._workers, self._relay]

    def _telling(self, name: str) -> tuple[str, ...]:
        return ("--metrics", str(self._metrics), "--name", name)

    async def run(self) -> None:
        """Return once SIGTERM or SIGINT came and every child has ended; a second signal kills what still drains.

        SIGHUP replaces the children in turn.
        """
        try:
            async with telling(self._metrics, "supervisor"):
                await self._run()
        finally:
            shutil.rmtree(self._metrics, ignore_errors=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        asked_to_stop, asked_to_roll = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, asked_to_roll.set)
        loop.add_reader(self._ready.source, self._note_ready)
        tasks = [asyncio.create_task(place.keep(), name=place.name) for place in self._places]
        tasks.append(asyncio.create_task(self._roll_when_asked(asked_to_roll), name="rolling restart"))
        waiter = asyncio.create_task(asked_to_stop.wait())
        try:
            done, _ = await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {waiter}:
                task.result()  # none of them ever returns: this raises what ended it
        finally:
            for task in (waiter, *tasks):
                task.cancel()
            await asyncio.gather(waiter, *tasks, return_exceptions=True)
            await self._stop()
            loop.remove_reader(self._ready.source)
            self._ready.close()

    def _on_signal(self, asked_to_stop: asyncio.Event) -> None:
        if asked_to_stop.is_set():
            for place in self._places:
                for process in place.alive():
                    send(process, signal.SIGKILL)
        asked_to_stop.set()

    def _note_ready(self) -> None:
        self._ready.note()
        if self._on_ready is not None and all(place.process in self._ready for place in self._workers):
            say, self._on_ready = self._on_ready, None
            say()

    # -- rolling restart ----------------------------------------------------------------------------------------------

    async def _roll_when_asked(self, asked: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()  # whoever asks from now on wants what is installed then: it is done once more
            log.info("rolling restart begins")
            outcome = "done" if await self._roll() else "given_up"
            ROLLING_RESTARTS.labels(outcome).inc()
            log.info("rolling restart ended", outcome=outcome)

    async def _roll(self) -> bool:
        """Replace every child, one after another; return False as soon as a successor does not come up."""
        for place in self._places:
            successor = await place.spawn()
            try:
                came_up = await self._comes_up(successor)
            except asyncio.CancelledError:
                send(successor, signal.SIGKILL)
                raise
            if not came_up:
                send(successor, signal.SIGKILL)
                log.error("%s stays: its successor does not come up", place.name)
                return False
            await place.give_to(successor, self._patience_s)
        return True

    async def _comes_up(self, successor: asyncio.subprocess.Process) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_PATIENCE_S
        while successor not in self._ready:
            if successor.returncode is not None or loop.time() > deadline:
                return False
            await asyncio.sleep(BACKOFF_MIN_S)
        return True

    async def _stop(self) -> None:
        """Ask the workers to end, then the relay, which feeds them until they are gone; kill what does not end in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        for part in (self._workers, [self._relay]):
            alive = {process: place.name for place in part for process in place.alive()}
            for process in alive:
                send(process, signal.SIGTERM)
            left_s = max(BACKOFF_MIN_S, deadline - loop.time())
            await ended(alive, left_s, self._patience_s)


def serve(listener: socket.socket, *, workers: int, on_ready: Callable[[], None]) -> None:
    """Run the gateway on ``listener`` until SIGTERM or SIGINT."""
    asyncio.run(Supervisor(listener, workers=workers, on_ready=on_ready).run())
