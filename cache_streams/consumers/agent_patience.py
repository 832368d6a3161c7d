"""How long an agents socket bears a client that sends too much, or frames that cannot be answered."""

from __future__ import annotations

import enum
import time

from django.conf import settings

from cache_streams.protocol.agents.requests import BAD_IN_A_ROW_LIMIT
from cache_streams.protocol.allowance import Allowance


class Verdict(enum.Enum):
    """What a frame deserves."""

    ANSWER = "an answer"
    WARNING = "a warning: it is one too many"
    END = "the end of the socket: the client was warned"


class Patience:
    """Counts the frames of one socket."""

    def __init__(self) -> None:
        self.received = 0
        self._allowance = Allowance(settings.AGENTS_FRAMES_PER_MINUTE, _minutes())
        self._warned = False
        self._bad = 0

    def judge(self) -> Verdict:
        """Take a frame; only the first of those beyond the rate is warned of."""
        self.received += 1
        if not self._allowance.take(_minutes()):
            self._warned = False
            return Verdict.ANSWER
        if self._warned:
            return Verdict.END
        self._warned = True
        return Verdict.WARNING

    def answered(self) -> None:
        """Forgive what was wrong before."""
        self._bad = 0

    def refused(self) -> bool:
        """Note a frame that was refused; return whether it was one too many in a row."""
        self._bad += 1
        return self._bad >= BAD_IN_A_ROW_LIMIT


def _minutes() -> float:
    return time.monotonic() / 60
