"""How an event is told on a socket of the agents family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from cache_streams.protocol.agent_forms import WireForm, on_the_wire
from cache_streams.streams.update import KeySnapshot, Update

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class AgentRendition:
    """Events in one form, of all runs, of one run or of one thread. Equal ones are rendered once for all their sockets."""

    form: WireForm
    run_id: str | None = None
    thread_id: str | None = None
    replayed: bool = False

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return nothing: this family is told every event, or none before it joined."""
        return []

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return the frame of one event, if it is of the wanted runs."""
        event = msgspec.json.decode(update.data)
        for name, wanted in (("run_id", self.run_id), ("thread_id", self.thread_id)):
            if wanted is not None and event[name] != wanted:
                return ()
        return (_encode(on_the_wire(event, self.form, replayed=self.replayed)),)
