"""``worker``: one worker of ``serve``, which starts it; not meant to be called by hand."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from cache_streams.scraping import ALONE
from cache_streams.server import worker


class Command(BaseCommand):
    """Parses the inherited file descriptors."""

    help = "One worker of `serve`, on an inherited socket."
    requires_system_checks = []  # the supervisor has run them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--listener", type=int, required=True, help="file descriptor of the shared socket"
        )
        parser.add_argument("--metrics", type=Path, default=None, help="directory of all processes' metrics")
        parser.add_argument("--name", default=ALONE, help="name of this process in metrics")
        parser.add_argument(
            "--ready", type=int, required=True, help="file descriptor that hears when it accepts"
        )

    def handle(self, *_args: Any, **options: Any) -> None:  # Any: Django's own signature
        worker.run(
            listener=options["listener"],
            ready=options["ready"],
            metrics=options["metrics"],
            name=options["name"],
        )
