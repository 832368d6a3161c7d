"""How long a serving process waits for PostgreSQL, and that it does not wait again at once for what just failed to answer."""

from __future__ import annotations

import time

from psycopg import OperationalError

from accounts import metrics

AWAY_S = 1.0
"""So long after a wait in vain all others fail at once: a crowd of requests must not wait one after the other."""


class Patience:
    """None in ``seconds`` (management commands): statements may take their time, migrations do."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._away_until = 0.0

    def insist(self) -> None:
        """Fail at once while the server is known to be away. Raises: OperationalError."""
        if self.seconds is not None and time.monotonic() < self._away_until:
            raise OperationalError("PostgreSQL did not answer a moment ago")

    def lost(self) -> None:
        """Remember that somebody waited in vain."""
        self._away_until = time.monotonic() + AWAY_S
        metrics.DATABASE_TIMEOUTS.inc()


PATIENCE = Patience()


def limit_waits(seconds: float) -> None:
    """Wait for no statement and no connection of this process longer than that."""
    PATIENCE.seconds = seconds
