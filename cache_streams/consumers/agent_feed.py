"""What one agents socket is told of its user's events: one subscription at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings

from cache_streams.agents.archive import AgentArchive
from cache_streams.archive import Shelf
from cache_streams.consumers.agent_beginning import Beginning
from cache_streams.layers import LoopLayer
from cache_streams.log_names import partition_of
from cache_streams.numbered import NumberedSubscription
from cache_streams.outlet import Outlet
from cache_streams.protocol.agents.frames import ReplayComplete, ResumeGap, encode
from cache_streams.protocol.agents.rendition import AgentRendition
from cache_streams.streams.agents import AGENTS, key_of
from cache_streams.telling import Backlog

logger = structlog.get_logger(__name__)


class AgentFeed:
    """The subscription of one socket; there is none before ``follow`` and after ``stop``."""

    def __init__(self, layer: LoopLayer, outlet: Outlet, user_id: int) -> None:
        self._layer, self._outlet = layer, outlet
        self._key = key_of(user_id)
        self._current: NumberedSubscription | None = None
        self._waiting: Beginning | None = None
        self._told = self._began = 0

    @property
    def told(self) -> int:
        """The cursor up to which the socket was told everything that it subscribed to."""
        return self._current.told if self._current is not None else self._told

    @property
    def hot(self) -> bool | None:
        """Whether the reader feeds the subscription; None while there is none."""
        return None if self._current is None else self._current.hot

    @property
    def sent(self) -> int:
        """How many events the socket was told, or passed over because it wanted others, since it subscribed."""
        return self.told - self._began

    async def follow(self, beginning: Beginning) -> None:
        """Begin anew; nothing is sent before ``start``."""
        await self.stop()
        self._told = self._began = beginning.told
        self._waiting = beginning

    def start(self) -> None:
        """Send what ``follow`` prepared, if it did."""
        beginning, self._waiting = self._waiting, None
        if beginning is None:
            return
        if beginning.gap is not None:
            self._outlet.send(encode(beginning.gap))
        asked = beginning.asked
        form: Any = settings.AGENTS_WIRE_FORM  # Any: the settings allow the forms only
        live = AgentRendition(form, asked.run_id, asked.thread_id)
        again = AgentRendition(form, asked.run_id, asked.thread_id, replayed=True)
        backlog = (
            None if asked.after is None else Backlog(beginning.until, again, self._caught_up(beginning.until))
        )
        self._current = NumberedSubscription(
            self._layer.reader,
            self._outlet,
            stream=AGENTS,
            key=self._key,
            partition=partition_of(AGENTS, self._key, settings.LOG_SHARDS),
            rendition=live,
            archive=_ARCHIVE,
            told=beginning.told,
            skipped=self._skipped,
            reset=self._reset,
            shelf=beginning.log_id,
            backlog=backlog,
        )
        self._current.start()

    async def stop(self) -> None:
        """Send no more events."""
        self._told, self._waiting = self.told, None
        current, self._current = self._current, None
        if current is not None:
            await current.stop()

    def _caught_up(self, cursor: int) -> Callable[[], None]:
        return lambda: self._outlet.send(encode(ReplayComplete(cursor=cursor)))

    def _skipped(self, first: int, last: int) -> None:
        logger.info("events were trimmed before they were told", lost=last - first + 1)
        gap = ResumeGap(requested=first - 1, oldest=last + 1, lost=last - first + 1, reason="trimmed")
        self._outlet.send(encode(gap))

    def _reset(self, told: int, shelf: Shelf) -> None:
        logger.info("rows are others than those that were told", told=told, last=shelf.last)
        self._began = shelf.floor
        gap = ResumeGap(
            requested=told, oldest=shelf.floor + 1, lost=shelf.floor, reason="log_reset", log_id=shelf.name
        )
        self._outlet.send(encode(gap))


_ARCHIVE = AgentArchive()
