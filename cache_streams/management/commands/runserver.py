"""``runserver``: Daphne for development, as users of Channels expect it, and a relay beside it if nobody else is one."""

from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand

from cache_streams.relay.thread import relay_thread
from cache_streams.server.daphne import GatewayDaphneServer


class Command(DaphneCommand):  # type: ignore[misc]  # daphne has no types
    """Daphne's own command, with closes that say why and a relay."""

    server_cls = GatewayDaphneServer

    def inner_run(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        """Serve until stopped."""
        with relay_thread():
            super().inner_run(*args, **options)
