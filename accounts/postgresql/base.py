"""Django's backend for PostgreSQL, whose connections do not wait for ever.

A server that is paused, or cut off without a word, sends neither an answer nor an end, and its own ``statement_timeout``
needs a server that runs. So the client counts.
"""

from __future__ import annotations

import selectors
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus

from accounts.postgresql.patience import PATIENCE


class BoundedConnection(Connection[Any]):  # Any: rows of any shape
    """psycopg's connection; one that was waited for in vain is closed, because its answer may still come."""

    def wait(
        self, gen: Any, interval: float = 0.1, timeout: float | None = None
    ) -> Any:  # Any: psycopg's generators
        """Run what psycopg waits for. Raises: OperationalError when it takes too long."""
        if timeout is not None or PATIENCE.seconds is None:
            return super().wait(gen, interval, timeout)
        PATIENCE.insist()
        try:
            return super().wait(gen, interval, PATIENCE.seconds)
        except OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # it still works on it, or hangs
                PATIENCE.lost()
                self.close()
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's wrapper, over such connections."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:  # Any: as Django's stubs
        """Return a connection that does not wait for ever. Raises: OperationalError."""
        PATIENCE.insist()
        if PATIENCE.seconds is not None:
            conn_params = {
                **conn_params,
                "connect_timeout": max(2, round(PATIENCE.seconds)),
            }  # libpq's least is 2
        try:
            connection = super().get_new_connection(conn_params)
        except OperationalError:
            if PATIENCE.seconds is not None:
                PATIENCE.lost()
            raise
        # Django names no class to make; this one adds to a method and nothing else.
        connection.__class__ = BoundedConnection
        return connection

    def is_usable(self) -> bool:
        """Return whether the connection can be used; Django asks before each request.

        A server that hung up left that to be read. Only where something is, or an error came before, is the server asked:
        a trip to it costs as much as a small query does.
        """
        connection = self.connection
        if connection is None or self.errors_occurred or _speaks(connection):
            return super().is_usable()
        return bool(connection.pgconn.transaction_status == TransactionStatus.IDLE)


def _speaks(connection: BoundedConnection) -> bool:
    """Return whether the server has sent what nobody read yet, or the connection is closed."""
    if connection.closed:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(connection.pgconn.socket, selectors.EVENT_READ)
        return bool(selector.select(0))
