"""``up``: what ``make run`` runs: everything on one machine, until Ctrl-C."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cache_streams.server.embedded_redis import RedisNotFoundError, RedisNotStartedError
from cache_streams.server.launcher import LaunchFailedError, launch
from cache_streams.server.listener import AddressRefusedError


class Command(BaseCommand):
    """Says each step on stdout."""

    help = "Database, administrator, Redis, demo feed and gateway on this machine, until Ctrl-C or SIGTERM."

    def handle(self, *_args: Any, **_options: Any) -> None:  # Any: Django's own signature
        try:
            launch(self._say)
        except AddressRefusedError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        except (LaunchFailedError, RedisNotFoundError, RedisNotStartedError) as exc:
            raise CommandError(str(exc)) from exc

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
