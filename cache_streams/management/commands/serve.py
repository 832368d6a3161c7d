"""``serve``: the gateway, N workers and the relay, supervised."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cache_streams.server.listener import AddressRefusedError, listening_socket
from cache_streams.server.supervisor import serve


class Command(BaseCommand):
    """Parses the address and the number of workers."""

    help = "Run the gateway: workers and the relay, supervised; SIGTERM drains."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--workers", type=int, default=settings.WORKERS)

    def handle(self, *_args: Any, **options: Any) -> None:  # Any: Django's own signature
        if options["workers"] < 1:
            raise CommandError("--workers must be 1 or more.", returncode=2)
        try:
            listener = listening_socket(options["host"], options["port"])
        except AddressRefusedError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        with listener:
            host, port = listener.getsockname()[:2]
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            serve(listener, workers=options["workers"], on_ready=lambda: self._say_ready(url))

    def _say_ready(self, url: str) -> None:
        self.stdout.write(f"Ready on {url}")
        self.stdout.flush()
