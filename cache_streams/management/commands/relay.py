"""``relay``: number what changes in the cache, as the one relay of the deployment or as its standby."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cache_streams.relay.run import run_relay
from cache_streams.scraping import ALONE, telling
from cache_streams.server.garbage import collect_seldom
from cache_streams.server.listener import AddressRefusedError, listening_socket
from cache_streams.server.metrics_port import metrics_port


class Command(BaseCommand):
    """Run until SIGTERM or SIGINT."""

    help = "Turn changes of the cache into log entries; wait as a standby while another relay does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--metrics", type=Path, default=None, help="directory of all processes' metrics")
        parser.add_argument("--host", default=settings.HOST, help="where --port is listened on")
        parser.add_argument(
            "--port",
            type=int,
            default=None,
            help="where GET /metrics is answered (0: a free one); else nowhere",
        )
        parser.add_argument("--ready", type=int, default=None, help="file descriptor that hears when it runs")
        parser.add_argument("--name", default=ALONE, help="name of this process in metrics")

    def handle(
        self, *args: Any, metrics: Path | None, name: str, ready: int | None, **options: Any
    ) -> None:  # Any: Django's signature
        """Lead whenever the lease is free."""
        collect_seldom()
        with (
            metrics_port(self._listener(options["host"], options["port"])),
            asyncio.Runner(loop_factory=_loop_factory()) as runner,
        ):
            runner.run(_until_signalled(metrics, name, ready))

    def _listener(self, host: str, port: int | None) -> socket.socket | None:
        if port is None:
            return None
        try:
            listener = listening_socket(host, port)
        except AddressRefusedError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        self.stdout.write(f"Metrics on http://{host}:{listener.getsockname()[1]}/metrics")
        self.stdout.flush()
        return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loops where it exists: a third of a busy relay's time is its sockets."""
    try:
        import uvloop  # not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _until_signalled(metrics: Path | None, name: str, ready: int | None) -> None:
    loop = asyncio.get_running_loop()
    relay = asyncio.ensure_future(run_relay())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, relay.cancel)
    if ready is not None:
        os.write(ready, b"%d\n" % os.getpid())
    with suppress(asyncio.CancelledError):
        async with telling(metrics, name):
            await relay
