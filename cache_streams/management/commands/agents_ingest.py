"""``agents_ingest``: store the runs and events that producers add to Redis."""

import argparse
import signal
import threading

from django.conf import settings
from django.core.management.base import BaseCommand

from cache_streams.agents.ingest import run_for_ever


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT. One at a time: a second worker would break the order of events."""

    help = "Store signed runs and events from the Redis stream <GW_PREFIX>:agents:ingest."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Name the consumer."""
        parser.add_argument(
            "--consumer", default="1", metavar="NAME", help="name in the consumer group, kept across restarts"
        )

    def handle(self, *, consumer: str, **_options: object) -> None:
        """Ingest."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run_for_ever(settings.GW_PREFIX, consumer, stop.wait)
