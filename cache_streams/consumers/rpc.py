"""The RPC family on one socket: requests one after another, streams until the socket closes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from cache_streams.consumers.socket import Message, SocketConsumer
from cache_streams.metrics import REQUEST_ERRORS
from cache_streams.protocol.allowance import Allowance, limit_of
from cache_streams.protocol.close_codes import RATE_LIMITED
from cache_streams.protocol.groups import NameTooLong, group_name
from cache_streams.protocol.rendition import Rendition
from cache_streams.protocol.rpc import envelopes
from cache_streams.protocol.rpc.actions import Answer
from cache_streams.protocol.rpc.process_results import PING_RESULT, health_check_result
from cache_streams.protocol.rpc.queries import Query, Unsubscribe
from cache_streams.protocol.rpc.requests import Refused, Request, parse_domain
from cache_streams.protocol.strict_json import Json
from cache_streams.sources import cache
from cache_streams.sources.cache import CacheUnavailable
from cache_streams.streams.declaration import Key, Stream
from cache_streams.subscription import Subscription

logger = structlog.get_logger(__name__)

Result = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Feed:
    """What a stream request subscribes to: every key of ``stream`` that begins with one of ``under``."""

    stream: Stream
    under: Sequence[Key]
    rendition: Rendition


class RpcConsumer(SocketConsumer):
    """Answers the actions of its domain.

    A subclass has a method per action: of a query it returns the result, or None for not found; of a stream, a Feed.
    """

    domain: ClassVar[str | None] = None

    async def opened(self) -> None:
        self.connection_id: str = self.scope["url_route"]["kwargs"].get("connection_id") or uuid.uuid4().hex
        self._streams: dict[tuple[str, bytes], tuple[str, list[Subscription]]] = {}
        self._allowance = Allowance(limit_of(settings.RPC_REQUESTS_PER_S), time.monotonic())

    async def websocket_receive(self, message: Message) -> None:
        """Answer one frame; whatever it holds, the socket stays open."""
        started = time.perf_counter()
        frame: str | bytes = message["text"] if message.get("text") is not None else message["bytes"]
        # A client that does not read its answers gets no more questions answered.
        await self.outlet.writable()
        wait_ms = self._allowance.take(time.monotonic())
        try:
            request = self.parse(frame)
            answer = await self._answer(request, started, wait_ms)
        except Refused as refused:
            REQUEST_ERRORS.labels(refused.code).inc()
            answer = envelopes.refusal(refused, time.time())
        if answer is not None:
            self.outlet.send(answer)
        if self._allowance.abused:
            self.end(RATE_LIMITED)

    def parse(self, frame: str | bytes) -> Request:
        """Return what the frame asks for. Raises: Refused."""
        return parse_domain(frame, self.domain)

    async def _answer(self, request: Request, started: float, wait_ms: int) -> bytes | None:
        if wait_ms:
            rule = f"more than {self._allowance.rate} requests per second; repeat this one after {wait_ms} ms"
            raise self._refused(request, "RATE_LIMITED", rule)
        query = request.query()
        try:
            if request.action.answer is Answer.STREAM:
                await self._stream(request, query)
                return None
            result = await self._result(request, query)
        except Refused:
            raise
        except CacheUnavailable:
            raise self._refused(request, "CACHE_ERROR", "The cache does not answer") from None
        except NameTooLong as long:
            raise self._refused(request, "INVALID_PARAMS", str(long)) from None
        except Exception:  # a request's root: a defect of ours costs this answer, not the socket
            logger.exception("action failed", action=request.action.name)
            raise self._refused(request, "INTERNAL_ERROR", "Internal server error") from None
        if result is None:
            REQUEST_ERRORS.labels(str(request.action.not_found)).inc()
            return envelopes.not_found(request, "Nothing of that name is stored")
        if request.base:
            latency_ms = (time.perf_counter() - started) * 1000
            return envelopes.base_success(request.request_id, result, time.time(), latency_ms)
        return envelopes.success(request, result)

    async def _result(self, request: Request, query: Query) -> Result | None:
        method: Callable[[Any], Awaitable[Result | None]] = getattr(self, request.action.name)
        return await method(query)

    async def _stream(self, request: Request, query: Query) -> None:
        method: Callable[[Any], Awaitable[Feed]] = getattr(self, request.action.name)
        feed = await method(query)
        for key in feed.under:
            if len(key) == len(feed.stream.key_fields):
                group_name(feed.stream.name, key)  # refuses a key that no group can stand for
        name = (request.action.name, repr(request.request_id).encode())
        if request.request_id is not None and name in self._streams:
            await self._stop(name)
        most = limit_of(settings.SUBSCRIPTIONS_PER_SOCKET)
        if len(self.subscriptions) + len(feed.under) > most:
            raise self._refused(request, "RATE_LIMITED", f"streams: at most {most} on one socket")
        unique = uuid.uuid4().hex[:12]
        stream_key = envelopes.stream_key(self.connection_id, request.request_id, unique)
        if request.request_id is None:
            name = (request.action.name, unique.encode())
        subscriptions = self._members(request, feed, stream_key)
        self._streams[name] = (stream_key, subscriptions)
        # Where the stream begins is settled before it is confirmed: what is written after that will be an update.
        # Without Redis it is settled when Redis is back, and the client is told that it waits.
        with suppress(RedisError, OSError):
            await asyncio.gather(*(subscription.prepare() for subscription in subscriptions))
        self.outlet.send(envelopes.confirmation(request, stream_key))
        for subscription in subscriptions:
            subscription.start()

    def _members(self, request: Request, feed: Feed, stream_key: str) -> list[Subscription]:
        prefix = envelopes.update_prefix(request, stream_key)
        trouble = envelopes.failure(
            "CACHE_ERROR",
            "The cache does not answer; updates follow when it does",
            request.request_id,
            request.requested,
        )
        return [
            self.member(feed.stream, under, feed.rendition, prefix=prefix, trouble=trouble)
            for under in feed.under
        ]

    async def _stop(self, name: tuple[str, bytes]) -> None:
        _, subscriptions = self._streams.pop(name)
        for subscription in subscriptions:
            await self.leave(subscription)

    def _refused(self, request: Request, code: str, text: str) -> Refused:
        return Refused(code, text, request.request_id, request.requested, base=request.base)

    def now(self) -> float:
        """Return the time that answers carry, in Unix seconds."""
        return time.time()

    # -- actions of every domain ------------------------------------------------------------------------------------

    async def ping(self, query: Query) -> Result:
        """Answer."""
        return dict(PING_RESULT)

    async def health_check(self, query: Query) -> Result:
        """Return whether this gateway and its Redis answer."""
        try:
            services: Result = {"redis": {"latency_ms": round(await cache.answers() * 1000, 3)}}
            healthy = True
        except CacheUnavailable as error:
            services, healthy = {"redis": {"error": str(error)}}, False
        return health_check_result(
            time.time(), framework="channels", cache_healthy=healthy, cache_services=services
        )

    async def unsubscribe(self, query: Unsubscribe) -> Result | None:
        """End one stream of this socket."""
        wanted = repr(query.request_id).encode()
        for name, (stream_key, _) in list(self._streams.items()):
            if stream_key == query.stream_key or (query.stream_key is None and name[1] == wanted):
                await self._stop(name)
                return {"stream_key": stream_key, "stopped": True}
        return None
