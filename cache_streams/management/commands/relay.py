"""``relay``: number what changes in the cache, as the one relay of the deployment or as its standby."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from cache_streams.relay.run import run_relay
from cache_streams.scraping import ALONE, telling


class Command(BaseCommand):
    """Run until SIGTERM or SIGINT."""

    help = "Turn changes of the cache into log entries; wait as a standby while another relay does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--metrics", type=Path, default=None, help="directory of all processes' metrics")
        parser.add_argument("--name", default=ALONE, help="name of this process in metrics")

    def handle(
        self, *args: Any, metrics: Path | None, name: str, **options: Any
    ) -> None:  # Any: Django's signature
        """Lead whenever the lease is free."""
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_signalled(metrics, name))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loops where it exists: a third of a busy relay's time is its sockets."""
    try:
        import uvloop  # not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _until_signalled(metrics: Path | None, name: str) -> None:
    loop = asyncio.get_running_loop()
    relay = asyncio.ensure_future(run_relay())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, relay.cancel)
    with suppress(asyncio.CancelledError):
        async with telling(metrics, name):
            await relay
