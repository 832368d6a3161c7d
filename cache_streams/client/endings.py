"""What to do after a socket ended or could not be opened, from the table of close codes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from http import HTTPStatus

from cache_streams.protocol.close_codes import CLOSES, NATIVE, Reconnect

NORMAL, ABNORMAL = 1000, 1006


class Advice(enum.Enum):
    """What a client should do."""

    RESUME = "come back after a pause, with the last cursors"
    NEW_TOKEN = "come back with new credentials"  # noqa: S105  # advice, not a secret
    STOP = "do not come back: it would end the same way"


_ADVICE = {
    Reconnect.RESUME: Advice.RESUME,
    Reconnect.BACK_OFF: Advice.RESUME,
    Reconnect.LATER: Advice.RESUME,
    Reconnect.AFRESH: Advice.RESUME,  # the cursor is sent all the same: the server says whether it still holds
    Reconnect.NEW_TOKEN: Advice.NEW_TOKEN,
    Reconnect.NO: Advice.STOP,
}
_STATUS: dict[int, Advice] = {
    HTTPStatus.UNAUTHORIZED: Advice.NEW_TOKEN,
    HTTPStatus.FORBIDDEN: Advice.STOP,
    HTTPStatus.NOT_FOUND: Advice.STOP,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a socket ended. ``status`` is HTTP's, of a handshake that was refused; ``least_s`` how long to stay away."""

    code: int
    reason: str
    status: int | None = None
    least_s: float = 0.0


def advice(ending: Ending) -> Advice:
    """Return what an ending means; what no table knows is a network that failed, and coming back is right."""
    if ending.status is not None:
        return _STATUS.get(ending.status, Advice.RESUME)
    # 1000 without our asking is a proxy or a server that ends idle connections.
    if ending.code == NORMAL:
        return Advice.RESUME
    rows = [close for close in CLOSES if close.code == ending.code and close.families & NATIVE]
    exact = [close for close in rows if close.reason == ending.reason]
    found = exact or rows
    return _ADVICE[found[0].reconnect] if found else Advice.RESUME
