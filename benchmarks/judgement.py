"""What must have arrived at the sockets of a drill, and what did: pure accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.collector import Drain, Push


@dataclass(slots=True)
class Tally:
    """Counts over all sockets.

    ``lost`` are trades that stood long enough, ``young_lost`` those that may not have; the last three are trades that
    came again, after a later one, or though nobody pushed them.
    """

    due: int = 0
    lost: int = 0
    young: int = 0
    young_lost: int = 0
    repeated: int = 0
    disordered: int = 0
    unknown: int = 0

    def count(self, pushes: Sequence[Push], young: set[int], arrived: Sequence[int]) -> None:
        """Add one socket, at which ``arrived`` ids came in this order."""
        pushed = {push.trade_id for push in pushes}
        seen = set(arrived)
        self.due += len(pushed)
        self.young += len(young)
        self.lost += len(pushed - young - seen)
        self.young_lost += len(young - seen)
        self.repeated += len(arrived) - len(seen)
        self.disordered += sum(later < earlier for earlier, later in pairwise(arrived))
        self.unknown += len(seen - pushed)


def young_ids(pushes: Sequence[Push], drains: Sequence[Drain], age_s: float) -> set[int]:
    """Return the ids that may have stood in their list for less than ``age_s`` before it was deleted.

    The shortest stay that the clocks allow: from Redis' answer to the RPUSH until the DEL was sent. ``pushes`` and
    ``drains`` are of one list, in order.
    """
    young: set[int] = set()
    remaining = iter(drains)
    drain = next(remaining, None)
    for push in pushes:
        while drain is not None and drain.deleted < push.sent:
            drain = next(remaining, None)
        if drain is not None and drain.deleting - push.answered < age_s:
            young.add(push.trade_id)
    return young


def kept_from_batch_writer(
    pushes: Sequence[Push], drains: Sequence[Drain], standing: Sequence[int]
) -> set[int]:
    """Return ids that no drain brought and the list no longer holds, though the batch writer did not delete them unread.

    What is pushed between its LRANGE and its DEL, the batch writer loses by its own doing.
    """
    had = set(standing).union(*(drain.trade_ids for drain in drains))
    missing = (push for push in pushes if push.trade_id not in had)
    return {
        push.trade_id
        for push in missing
        if not any(push.sent < drain.deleted and push.answered > drain.read for drain in drains)
    }
