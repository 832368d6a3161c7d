"""A connection that comes back by itself: credentials, pauses, drain; what is said over it is not its business."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cache_streams.client.backoff import Pauses, Random, moment_s, pause_s
from cache_streams.client.credentials import Credentials
from cache_streams.client.endings import ABNORMAL, Advice, Ending, advice
from cache_streams.client.errors import ClientError, ConnectionLost, NotAuthorized
from cache_streams.client.link import Link, LinkEnded
from cache_streams.client.messages import Frame

STABLE_S = 10.0
"""A connection that lived so long was a good one: pauses begin small again."""
REFUSALS_LIMIT = 3
"""So many refusals of fresh credentials in a row end it."""

logger = logging.getLogger("cache_streams.client")


@dataclass(frozen=True, slots=True)
class State:
    """What a connection does: ``connecting``, ``open``, ``draining``, ``waiting`` for ``retry_s`` because of ``reason``."""

    name: str
    reason: str = ""
    retry_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to connect: pauses, who chooses moments (numbers from 0 to 1), the name told to the server, who is told."""

    pauses: Pauses = field(default_factory=Pauses)
    random: Random = random.random
    name: str = "fullon-stream-python"
    on_state: Callable[[State], None] = lambda _state: None


class Connection:
    """Keeps one socket open. ``welcomed`` is called with each new one, ``read`` is awaited
    with each of its frames, None for one that nobody could read.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        manner: Manner,
        *,
        welcomed: Callable[[Link], None],
        read: Callable[[Frame | None], Awaitable[None]],
    ) -> None:
        self.state = State("connecting")
        self.link: Link | None = None
        self._url, self._credentials, self._manner = url, credentials, manner
        self._welcomed, self._read = welcomed, read
        self._attempt = self._refusals = 0
        self._successor: asyncio.Task[Link] | None = None

    async def run(self) -> None:
        """Connect, read, come back; ends only by cancellation. Raises: NotAuthorized, ConnectionLost."""
        try:
            pause = 0.0
            while True:
                link = await (self._successor or self._dial(pause))
                self._successor = None
                pause = await self._serve(link)
        finally:
            await self._abandon()

    def drain(self, interval_ms: tuple[float, float]) -> None:
        """Change over to another socket at a moment of the interval that the server told; this one serves until then."""
        if self.state.name != "open":
            return
        moment = moment_s(interval_ms, self._manner.random)
        self._become(State("draining", retry_s=moment))
        self._successor = asyncio.create_task(self._dial(moment), name="successor of a draining socket")
        old = self.link
        self._successor.add_done_callback(lambda _: old.leave() if old is not None else None)

    async def _dial(self, pause: float) -> Link:
        """Return the next socket, after as many attempts as it takes. Raises: NotAuthorized, ConnectionLost."""
        while True:
            await asyncio.sleep(pause)
            if self.link is None:
                self._become(State("connecting"))
            try:
                return await Link.open(self._url, await self._credentials.headers(), self._manner.name)
            except LinkEnded as ended:
                pause = self._pause(ended.ending)
            except ClientError:
                raise  # the provider knows that there is nothing more to be had
            except Exception as fault:  # noqa: BLE001  # a provider may raise anything; its next answer may be good
                logger.warning("the token provider failed: %s", type(fault).__name__)
                pause = self._pause(Ending(ABNORMAL, f"the token provider failed: {type(fault).__name__}"))

    async def _serve(self, link: Link) -> float:
        """Read a socket to its end; return how long to pause before the next one."""
        self.link, self._refusals = link, 0
        self._become(State("open"))
        self._welcomed(link)
        try:
            while True:
                await self._read(await link.receive())
        except LinkEnded as ended:
            self.link = None
            if asyncio.get_running_loop().time() - link.opened_at > STABLE_S:
                self._attempt = 0
            return 0.0 if self._successor is not None else self._pause(ended.ending)
        finally:
            self.link = None
            await link.close()

    def _pause(self, ending: Ending) -> float:
        """Return how long to wait after an ending. Raises: NotAuthorized, ConnectionLost."""
        wanted = advice(ending)
        if wanted is Advice.STOP:
            raise ConnectionLost(ending.reason or f"close {ending.code}", ending.code)
        if wanted is Advice.NEW_TOKEN:
            self._refusals += 1
            if self._refusals >= REFUSALS_LIMIT or not self._credentials.renewable:
                raise NotAuthorized(ending.reason or "no reason given")
        pause = pause_s(self._attempt, self._manner.pauses, ending.least_s, self._manner.random)
        self._attempt += 1
        if self.link is None:
            self._become(State("waiting", ending.reason or f"close {ending.code}", pause))
        return pause

    async def _abandon(self) -> None:
        if self._successor is None:
            return
        self._successor.cancel()
        outcome = (await asyncio.gather(self._successor, return_exceptions=True))[0]
        if isinstance(outcome, Link):
            await outcome.close()

    def _become(self, state: State) -> None:
        self.state = state
        self._manner.on_state(state)
