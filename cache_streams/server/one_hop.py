"""Django's HTTP handler for ASGI, with one hop to a thread per request, and threads that stay."""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import connections
from django.http import HttpResponseBase
from django.urls import set_script_prefix

THREADS = 16
"""Requests that are worked on at once; further ones wait for their turn."""


class OneHopHandler(ASGIHandler):
    """Runs the middleware and the view of a request in one go, in one thread of a few.

    Every view here is synchronous. Django's own handler would run each method of each middleware in a thread by itself
    and come back in between: some twenty hops, half the CPU of a small request. It would also make a thread for each
    request, and with it a connection to the database; threads that stay keep theirs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="http")

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Load the chain as WSGI does."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: ASGIRequest) -> HttpResponseBase:  # type: ignore[override]  # narrower
        """Return what the chain answers."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        return await loop.run_in_executor(self._threads, context.run, self._respond, request)

    def _respond(self, request: ASGIRequest) -> HttpResponseBase:
        # Django's signals do this in threads of their own, which are not those that hold the connections.
        _close_old_connections()
        set_script_prefix(request.script_name or "/")  # Django's, which is not carried into other threads
        try:
            return self.get_response(request)
        finally:
            _close_old_connections()


def _close_old_connections() -> None:
    """Close what is broken or older than ``CONN_MAX_AGE``; SQLite's, which occupy no server, only when broken."""
    for connection in connections.all(initialized_only=True):
        if connection.vendor != "sqlite" or connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
