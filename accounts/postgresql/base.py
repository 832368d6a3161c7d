"""Django's backend for PostgreSQL, whose connections do not wait for ever.

A server that is paused, or cut off without a word, sends neither an answer nor an end, and its own ``statement_timeout``
needs a server that runs. So the client counts.
"""

from __future__ import annotations

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
