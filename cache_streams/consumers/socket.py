"""What every consumer shares: accepting, the outlet, subscriptions, the token's end and an orderly close."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

import structlog
from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from structlog.contextvars import bound_contextvars

from accounts.identity import Identity, Rights
from cache_streams.asgi_outlet import AsgiOutlet
from cache_streams.authentication import Login
from cache_streams.consumers.observed import Observed, membership_of, places_of
from cache_streams.consumers.retained import RetainedSocket
from cache_streams.endings import loop_endings
from cache_streams.facts import Membership, Place
from cache_streams.layers import LogBackedChannelLayer, LoopLayer
from cache_streams.log_names import partition_of
from cache_streams.metrics import CLOSES, SOCKETS
from cache_streams.operators.answering import loop_listener
from cache_streams.outlet import EXTENSION, Outlet, SinkOutlet
from cache_streams.permissions import may_see, visible
from cache_streams.protocol.close_codes import (
    SLOW_CONSUMER,
    TOO_MANY_CONNECTIONS,
    Close,
    Family,
    shutdown,
    token_expired,
)
from cache_streams.protocol.rendition import Rendition
from cache_streams.sessions import loop_sessions
from cache_streams.streams.declaration import Key, Stream
from cache_streams.subscription import Subscription

Message = dict[str, Any]  # Any: an ASGI message
Legs = Sequence[tuple[str, Key]]

logger = structlog.get_logger(__name__)


def loop_layer() -> LoopLayer:
    """Return the channel layer of the running event loop, its reader started and its news heard."""
    outer: LogBackedChannelLayer = get_channel_layer()  # type: ignore[assignment]  # what CHANNEL_LAYERS names
    layer = outer._get_layer()  # noqa: SLF001  # the seam of channels_redis: see layers.py
    sessions = loop_sessions()
    layer.reader.signals.on_news, layer.reader.on_reconnect = sessions.news, sessions.recheck
    layer.reader.start()
    loop_listener().start()
    return layer


class SocketConsumer(Observed):
    """One socket from handshake to close. Subclasses say what it sends and how it answers."""

    family: ClassVar[Family] = Family.RPC

    outlet: Outlet
    layer: LoopLayer
    opened_at: float
    """When the socket was accepted, in Unix seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.socket_id = f"c-{uuid.uuid4().hex[:16]}"
        """Names this socket in logs, to operators and to its client; RPC's ``connection_id`` is the client's own choice."""

    @property
    def login(self) -> Login:
        """Who opened this socket, as the middleware found out."""
        login: Login = self.scope["login"]  # type: ignore[typeddict-item]  # the middleware put it there
        return login

    @property
    def identity(self) -> Identity:
        """The user, with the rights that the socket was opened with."""
        return self.login.identity

    async def __call__(
        self, scope: Any, receive: Any, send: Any
    ) -> None:  # Any: Channels types these per event
        """Serve the socket; where the server can keep it for us, return after the handshake."""
        sink = (scope.get("extensions") or {}).get(EXTENSION)
        if sink is None:
            await super().__call__(scope, receive, send)
            return
        self.scope, self.base_send = scope, send
        await self.dispatch(await receive())
        # Only what is asked for later is kept: headers, and a token in the query string, go with the handshake.
        kept = ("type", "path", "login", "url_route", "client")
        self.scope = {name: scope[name] for name in kept if name in scope}  # type: ignore[assignment]  # a part of one
        sink.retain(RetainedSocket(self.dispatch, resume=sink.resume_reading, close=sink.close))

    @property
    def rights(self) -> Rights:
        """What the user might see when the socket was opened."""
        return self.identity.rights

    async def dispatch(self, message: Message) -> None:
        """Call the handler of one ASGI message.

        Channels hops to a thread for each, to close old database connections; no consumer here uses any.
        """
        handler: Callable[[Message], Coroutine[Any, Any, None]] = getattr(self, get_handler_name(message))
        # Here rather than once: a retained socket's frames arrive in the context of its transport.
        self.received += message["type"] == "websocket.receive"
        with bound_contextvars(connection_id=self.socket_id, user_id=self.identity.user_id):
            await handler(message)

    async def websocket_connect(self, message: Message) -> None:
        """Accept, then let the subclass begin."""
        self.layer = loop_layer()
        self.subscriptions: set[Subscription] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self.opened_at = time.time()
        await self.send(
            {
                "type": "websocket.accept",
                "subprotocol": self.scope.get("echo"),
                "headers": [(b"x-connection-id", self.socket_id.encode())],
            }
        )
        self._began = False
        extensions: dict[str, Any] = self.scope.get("extensions") or {}  # Any: each server offers its own
        sink = extensions.get(EXTENSION)
        self.outlet = SinkOutlet(sink) if sink is not None else AsgiOutlet(self.send)
        self.outlet.on_end = self.note_end
        SOCKETS.labels(self.family.value).inc()
        loop_sessions().add(self.identity.user_id, self)
        if loop_sessions().crowded(self.identity.user_id, self.family):
            loop_sessions().remove(self.identity.user_id, self)
            self.end(TOO_MANY_CONNECTIONS)
            return
        self._arm_expiry()
        self._began = True
        await self.opened()

    async def websocket_disconnect(self, message: Message) -> None:
        """End everything that belonged to the socket."""
        if hasattr(self, "outlet"):
            logger.debug(
                "socket closed", code=message.get("code"), seconds=round(time.time() - self.opened_at, 3)
            )
            SOCKETS.labels(self.family.value).dec()
            loop_sessions().remove(self.identity.user_id, self)
            if self._expiry is not None:
                self._expiry.cancel()
            loop_endings().add(self.ending(message.get("code")))
            self.outlet.shut()
            if self._began:
                await self.closed()
            for subscription in list(self.subscriptions):
                await self.leave(subscription)
        raise StopConsumer

    async def opened(self) -> None:
        """Begin what the family begins without being asked."""

    async def closed(self) -> None:
        """End what the subclass began."""

    def end(self, close: Close, rule: str = "") -> None:
        """Close the socket, deaf or not."""
        CLOSES.labels(close.reason or str(close.code)).inc()
        self._rule = self._rule or rule
        self.outlet.close(close.code, close.reason)

    def announce_end(self, reconnect_within_s: float, deadline_s: float) -> bool:
        """Tell the client that this process stops soon; False when its family has no words for that."""
        return False

    def drain(self) -> None:
        """Close as a planned stop does; what the client has been sent is what it may resume from."""
        self.end(shutdown(self.family))

    def memberships(self) -> list[Membership]:
        """Return what the socket subscribes to now."""
        return [membership_of(subscription) for subscription in self.subscriptions]

    def places(self) -> list[Place]:
        """Return how far the socket was told of each log, of the first few."""
        return places_of(self.subscriptions)

    # -- subscriptions ----------------------------------------------------------------------------------------------

    def join(self, stream: Stream, under: Key, rendition: Rendition) -> Subscription:
        """Join the groups of every key that begins with ``under``, as far as the user may see them."""
        subscription = self.member(stream, under, rendition)
        subscription.start()
        return subscription

    def member(
        self,
        stream: Stream,
        under: Key,
        rendition: Rendition,
        *,
        prefix: bytes = b"",
        trouble: bytes | None = None,
    ) -> Subscription:
        """Return a membership like that of ``join``, to be started."""
        keys = visible(stream, under, self.rights)
        legs = [leg for key in keys for leg in legs_of(stream, key)]
        subscription = self.layer.subscription(
            self.outlet,
            stream,
            legs,
            rendition,
            prefix=prefix,
            trouble=trouble,
            lost=lambda: self.end(SLOW_CONSUMER),
        )
        self.subscriptions.add(subscription)
        return subscription

    async def leave(self, subscription: Subscription) -> None:
        """Leave the groups again."""
        self.subscriptions.discard(subscription)
        await subscription.stop()

    def may_see(self, stream: Stream, key: Key) -> bool:
        """Return whether the user may see one whole key."""
        return may_see(stream, key, self.rights)

    def _arm_expiry(self) -> None:
        if self.login.expires_at is not None:
            left = self.login.expires_at - time.time()
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(max(left, 0.0), self.end, token_expired(self.family))


def legs_of(stream: Stream, under: Key) -> Legs:
    """Return the logs in which keys that begin with ``under`` stand, each with ``under``."""
    whole = len(under) == len(stream.key_fields)
    names_its_log = stream.partition is not None and stream.key_fields.index(stream.partition) < len(under)
    if whole or names_its_log:
        return [(partition_of(stream, under, settings.LOG_SHARDS), under)]
    return [(f"{shard:02d}", under) for shard in range(settings.LOG_SHARDS)]
