"""The gateway as a program sees it: what is followed, over one connection that comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

from msgspec import UNSET

from cache_streams.client.book import AnySubscription, Book, Counters
from cache_streams.client.buffers import Buffer
from cache_streams.client.connection import Connection, Manner, State, logger
from cache_streams.client.credentials import Credentials
from cache_streams.client.errors import ClientError, ConnectionLost, GatewayClosed, RequestRefused
from cache_streams.client.following import Following
from cache_streams.client.link import Asked, Link
from cache_streams.client.messages import Frame, Message, SnapshotFrame, UpdateFrame
from cache_streams.client.parts import Parts
from cache_streams.client.questions import Questions
from cache_streams.client.streams import Streams
from cache_streams.client.url import stream_url
from cache_streams.protocol.native.frames import (
    Ack,
    Status,
    SubscribeAck,
    TokenAck,
    TokenExpiring,
    Welcome,
)

RETRY_S = 1.0


class Gateway(Streams, Questions):
    """A connection and its subscriptions; open inside ``async with``."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        manner: Manner,
        *,
        connect_timeout_s: float | None,
        on_status: Callable[[Status], None],
    ) -> None:
        self._book, self._on_status = Book(), on_status
        self._credentials, self._connect_timeout_s = credentials, connect_timeout_s
        self._connection = Connection(
            stream_url(url), credentials, manner, welcomed=self._welcomed, read=self._read
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = 0
        self._ended: ClientError | None = None

    async def __aenter__(self) -> Self:
        """Return when the gateway has welcomed us. Raises: NotAuthorized, ConnectionLost when that takes too long."""
        self._room, self._open = asyncio.Event(), asyncio.Event()
        self._spawn(self._run())
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._open.wait()
        except BaseException as fault:
            reason = self.state.reason or "the gateway did not answer in time"
            await self.close()
            if isinstance(fault, TimeoutError):
                raise ConnectionLost(reason) from None
            raise
        if self._ended is not None:
            raise self._ended
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def state(self) -> State:
        """What the connection does."""
        return self._connection.state

    @property
    def counters(self) -> Counters:
        """What happened so far, over all connections."""
        return self._book.counters

    @property
    def welcome(self) -> Welcome:
        """What the gateway said first on the present socket. Raises: ConnectionLost while there is none."""
        return self._link().welcome

    async def request(self, op: str, **fields: Any) -> Ack:  # Any: JSON of a request
        """Ask the gateway something. Raises: RequestRefused, ConnectionLost."""
        return await self._ask(self._link(), {"op": op, **fields})

    async def close(self) -> None:
        """End it; iterations over its subscriptions end without an error."""
        self._end(GatewayClosed())
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def follow(
        self, following: Following, buffer: Buffer[Message[Any]]
    ) -> AnySubscription:  # Any: whichever stream
        """Add a subscription; the server is asked for it now, and again on each new socket. Raises: what ended us."""
        if self._ended is not None:
            raise self._ended
        subscription = AnySubscription(following, buffer, over=self._over, room=self._room.set)
        self._book.subscriptions.add(subscription)
        self._spawn(self._begin(subscription))
        return subscription

    # -- tasks --------------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:  # Any: what a coroutine yields to its loop
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            await self._connection.run()
        except ClientError as error:
            self._end(error)

    def _end(self, error: ClientError) -> None:
        self._ended = self._ended or error
        for subscription in self._book.subscriptions:
            subscription.end(error)
        self._book.subscriptions.clear()
        self._open.set()
        self._room.set()

    # -- questions ----------------------------------------------------------------------------------------------------

    def _link(self) -> Link:
        link = self._connection.link
        if link is None:
            raise self._ended or ConnectionLost(self.state.reason or "the next socket is being opened")
        return link

    async def _ask(self, link: Link, asked: Asked, then: Callable[[Ack], None] | None = None) -> Ack:
        """Ask; meanwhile a reader that waits for room reads on, or the answer would wait behind what it does not read."""
        self._asking += 1
        self._room.set()
        try:
            ack = await link.request(asked, then)
        finally:
            self._asking -= 1
        if isinstance(ack, TokenAck):
            # A token that opens less ended some; asking again tells what is left of them, or why nothing is.
            for subscription in self._book.narrowed(ack.subscriptions):
                self._spawn(self._begin(subscription))
        return ack

    async def _begin(self, subscription: AnySubscription) -> None:
        """Ask the server for a subscription until it takes or refuses it; the next socket asks by itself."""
        link, following = self._connection.link, subscription.following
        while link is not None and link is self._connection.link and subscription in self._book.subscriptions:
            try:
                await self._ask_for(link, subscription)
            except ConnectionLost:
                return
            except RequestRefused as refused:
                if refused.code == "INVALID_CURSOR":
                    following.forget()
                elif refused.retryable:
                    pause_ms = refused.retry_after_ms
                    await asyncio.sleep(RETRY_S if pause_ms is None else pause_ms / 1000)
                else:
                    subscription.end(refused)
                    self._over(subscription)
            else:
                return

    async def _ask_for(self, link: Link, subscription: AnySubscription) -> None:
        """Ask once, in parts where a frame cannot hold it all. Raises: RequestRefused, ConnectionLost."""
        parts = Parts(subscription.following.request, link.welcome.limits.frame_bytes)

        def begun(ack: Ack) -> None:
            if isinstance(ack, SubscribeAck) and link is self._connection.link:
                self._book.begun(subscription, ack, more=parts.more)

        await self._ask(link, parts.first, begun)
        while parts.more and subscription in self._book.subscriptions:
            await self._ask(link, parts.following, begun)

    def _over(self, subscription: AnySubscription) -> None:
        """Tell the server that a subscription is not wanted any more."""
        numbers, link = self._book.drop(subscription), self._connection.link
        self._room.set()
        if numbers and link is not None and self._ended is None:
            self._spawn(self._tell(link, {"op": "unsubscribe", "sub": numbers}))

    async def _refresh(self) -> None:
        """Go on with a fresh token; without one the close comes, and a new socket after it."""
        try:
            token = await self._credentials.fresh_token()
        except Exception as fault:  # noqa: BLE001  # a provider may raise anything; the next socket asks it again
            logger.warning("the token provider failed: %s", type(fault).__name__)
            return
        link = self._connection.link
        if token is not None and link is not None:
            await self._tell(link, {"op": "token", "token": token})

    async def _tell(self, link: Link, asked: Asked) -> None:
        """Ask what need not succeed: if the socket ends or the server refuses, its end is what was wanted, or comes."""
        try:
            await self._ask(link, asked)
        except (ConnectionLost, RequestRefused):
            self.counters.untold += 1

    # -- frames -------------------------------------------------------------------------------------------------------

    def _welcomed(self, _link: Link) -> None:
        self.counters.connections += 1
        self._book.renumber()
        self._open.set()
        for subscription in self._book.subscriptions:
            self._spawn(self._begin(subscription))

    async def _read(self, frame: Frame | None) -> None:
        self.counters.frames += 1
        self.counters.malformed += frame is None
        told: list[AnySubscription] = []
        if isinstance(frame, UpdateFrame):
            for subscription, gap in self._book.update(frame):
                told.append(subscription)
                if gap:
                    self._spawn(self._begin(subscription))
        elif isinstance(frame, SnapshotFrame):
            told = self._book.snapshot(frame)
        elif isinstance(frame, Status):
            self._status(frame)
        elif isinstance(frame, TokenExpiring):
            self._spawn(self._refresh())
        for subscription in told:
            while subscription.blocks(asking=self._asking > 0):
                self._room.clear()
                await self._room.wait()

    def _status(self, status: Status) -> None:
        if status.state == "draining":
            interval = status.reconnect_in_ms
            self._connection.drain((0, 0) if interval is UNSET else interval)
        elif status.state == "live" and status.sub is not UNSET:
            self._book.live(status.sub, recovered=status.recovered is not False)
        self._on_status(status)
