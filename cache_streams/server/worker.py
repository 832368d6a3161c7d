"""One worker process: uvicorn on the listening socket that the supervisor handed down."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import structlog
import uvicorn
from django.conf import settings

from cache_streams.agents.runner import loop_runs
from cache_streams.health import STOPPING
from cache_streams.operators.answering import loop_listener
from cache_streams.scraping import telling
from cache_streams.server.drain import drain
from cache_streams.server.garbage import collect_seldom
from cache_streams.sessions import loop_sessions
from cache_streams.threads import JOBS

# Below the supervisor's patience, so that a worker ends itself before it is killed.
_DRAIN_S = 25
# As above, from the signal on: DRAIN_NOTICE_S and DRAIN_S are at most 25 together, which leaves 2 for the closes.
_LEAVE_S = 27.0
_RUNS_S = 5.0

logger = structlog.get_logger(__name__)


class _Worker(uvicorn.Server):
    """A uvicorn server that writes its process id to ``ready`` once it accepts connections, and tells its metrics."""

    def __init__(self, config: uvicorn.Config, ready: int, place: tuple[Path | None, str]) -> None:
        super().__init__(config)
        self._ready, self._place = ready, place
        self._replaced = False

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._make_room)
        JOBS.count(asyncio.get_running_loop())
        async with telling(*self._place):
            loop_listener(self._place[1]).start()
            await super().serve(sockets)

    def _make_room(self) -> None:
        """Drain: a successor accepts already, so the machine as a whole stays ready."""
        self._replaced = self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        collect_seldom()
        if self.started:
            os.write(self._ready, b"%d\n" % os.getpid())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ends_at = asyncio.get_running_loop().time() + _LEAVE_S
        if not self._replaced:
            STOPPING.set()
            await asyncio.sleep(settings.DRAIN_NOTICE_S)  # balancers look, and send nobody new
        for server in self.servers:
            server.close()  # accept nobody who would have to be sent away at once
        await _end_runs()
        await drain(loop_sessions(), settings.DRAIN_S, ends_at)
        await super().shutdown(sockets)


def run(*, listener: int, ready: int, metrics: Path | None, name: str) -> None:
    """Serve until SIGTERM or SIGINT, or SIGHUP from a supervisor that has a successor. ``listener`` and ``ready`` are inherited file descriptors.

    ``metrics`` is the directory in which this process tells its metrics as ``name``.
    """
    module, _, attribute = settings.ASGI_APPLICATION.rpartition(".")
    config = uvicorn.Config(
        f"{module}:{attribute}",
        loop="auto",
        http="cache_streams.server.http:GatewayHttpProtocol",
        ws="cache_streams.server.frames:GatewayWebSocketProtocol",
        ws_max_size=settings.FRAME_BYTES_MAX,
        ws_per_message_deflate=False,  # 70 KB per idle socket against 28
        ws_ping_interval=settings.PING_INTERVAL_S,
        ws_ping_timeout=settings.PONG_TIMEOUT_S,
        lifespan="on",
        log_config=None,  # Django's LOGGING holds for uvicorn's loggers as well
        access_log=False,  # it would repeat query strings, tokens included
        server_header=False,
        proxy_headers=False,  # server/forwarded.py bounds whom it believes, and how many of them
        timeout_graceful_shutdown=_DRAIN_S,
    )
    with socket.socket(fileno=listener) as shared:
        _Worker(config, ready, (metrics, name)).run(sockets=[shared])


async def _end_runs() -> None:
    """End agents' runs; their sockets still hear how. Those that a slow database leaves open end when the sweep finds them."""
    try:
        async with asyncio.timeout(_RUNS_S):
            await loop_runs().close()
    except TimeoutError:
        logger.warning("agent runs were not ended in time", limit_s=_RUNS_S)
