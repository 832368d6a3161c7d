"""`manage.py demo_feed`: write a made-up market into Redis, as the collectors of a deployment would."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import Any

import redis.exceptions
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cache_streams.demo.feed import NotOursError, Plan, run

RATE_MAX = 10_000
SYMBOLS_MAX = 500


class Command(BaseCommand):
    """Parses the arguments, and writes until it is told to stop; exit code 2 when it may not write."""

    help = "Write a made-up market into Redis as collectors would, until Ctrl-C or SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rate", type=_within(float, RATE_MAX), default=20.0, help="ticks per second (20)"
        )
        parser.add_argument(
            "--symbols", type=_within(int, SYMBOLS_MAX), default=8, help="symbols per exchange (8)"
        )
        parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same market (7)")
        parser.add_argument(
            "--i-own-this-redis",
            action="store_true",
            dest="own",
            help="write to the configured Redis, if no key of the layout there is somebody else's",
        )
        parser.add_argument(
            "--agent-of",
            metavar="MAIL",
            help="let a demo agent of this user work too: its runs are stored in the database, as all runs are",
        )

    def handle(self, *_args: str, **options: Any) -> None:  # Any: Django's signature
        plan = Plan(
            rate=options["rate"],
            symbols=options["symbols"],
            seed=options["seed"],
            own=options["own"],
            agent_of=options["agent_of"],
        )
        try:
            asyncio.run(run(plan, settings.GW_PREFIX, self._say))
        except NotOursError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        except redis.exceptions.RedisError as exc:
            raise CommandError(f"demo_feed cannot use the configured Redis ({type(exc).__name__}).") from exc

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _within(kind: Callable[[str], float], most: int) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value <= most:  # also what NaN is
            raise argparse.ArgumentTypeError(f"must be a number above 0 and at most {most}, not {text!r}")
        return value

    return parse
