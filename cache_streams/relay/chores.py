"""What the leading relay does besides: blocking work in threads of its own, one at a time in the whole deployment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

LOOK_S = 0.5
JOIN_S = 5.0

Wait = Callable[[float], bool]
"""``wait(seconds)`` returns True as soon as the work has to end."""
Chore = Callable[[Wait], None]

logger = structlog.get_logger(__name__)


class Chores:
    """Runs each chore while ``leading`` returns True."""

    def __init__(self, leading: Callable[[], bool], chores: Sequence[Chore]) -> None:
        self._leading = leading
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(chore,), name=chore.__name__, daemon=True)
            for chore in chores
        ]

    def start(self) -> None:
        """Begin to look whether this relay leads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ask every chore to end, and wait for it a little: each works in steps that may be cut off."""
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_S)

    def _run(self, chore: Chore) -> None:
        while not self._stop.wait(LOOK_S):
            if self._leading():
                try:
                    chore(self._wait)
                except Exception:  # a thread's root: what failed is tried again at the next look
                    logger.exception("chore failed", chore=chore.__name__)

    def _wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds) or not self._leading()
