"""``agents_sweep``: end idle agent runs and drop old events, for ever or once."""

import argparse
import signal
import threading

from django.core.management.base import BaseCommand

from cache_streams.agents.sweeping import sweep_for_ever, time_out_runs, trim


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT; ``--once`` is for a timer of the system."""

    help = "End agent runs that have been silent for too long, and drop events that retention does not keep."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Offer one single round."""
        parser.add_argument("--once", action="store_true", help="one round, then print what was done")

    def handle(self, *, once: bool, **_options: object) -> None:
        """Sweep."""
        if once:
            self.stdout.write(f"Runs ended: {time_out_runs()}. Events dropped: {trim()}.")
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        sweep_for_ever(stop.wait)
