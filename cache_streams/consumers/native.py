"""The native family: ``/api/v1/stream``, one socket with many subscriptions."""

from __future__ import annotations

import time
import uuid
from typing import Any

import structlog
from django.conf import settings

from cache_streams.authentication import AuthenticationRefused, login_of
from cache_streams.carriers import NATIVE_PROTOCOL
from cache_streams.consumers.native_book import Book
from cache_streams.consumers.native_operations import Answer, Operations
from cache_streams.consumers.native_replays import Replays
from cache_streams.consumers.native_rules import WARNINGS_LIMIT
from cache_streams.consumers.native_signs import Signs
from cache_streams.consumers.observed import membership_of, places_of
from cache_streams.consumers.socket import Message, SocketConsumer
from cache_streams.facts import Membership, Place
from cache_streams.freshness import freshness_of
from cache_streams.metrics import REQUEST_ERRORS
from cache_streams.permissions import has_lost
from cache_streams.protocol.allowance import Allowance, limit_of
from cache_streams.protocol.close_codes import RATE_LIMITED, SLOW_CONSUMER, UNSUPPORTED, Close, Family
from cache_streams.protocol.native import frames, requests
from cache_streams.protocol.native.errors import (
    BAD_IN_A_ROW_LIMIT,
    Refused,
    code_of_close,
    retry_after_ms,
)
from cache_streams.protocol.native.requests import Head, HeadRefused
from cache_streams.recent import AuthenticationUnavailable
from cache_streams.sessions import loop_sessions

logger = structlog.get_logger(__name__)


class NativeConsumer(SocketConsumer):
    """One socket of ``/api/v1/stream``."""

    family = Family.NATIVE

    async def opened(self) -> None:
        self.connection_id = self.socket_id
        self._book = Book(self.layer, self.outlet, lambda: self.end(SLOW_CONSUMER))
        self._allowance = Allowance(limit_of(settings.NATIVE_REQUESTS_PER_S), time.monotonic())
        self._operations = Operations(
            self._book, Replays(self.layer, self.outlet), self._allowance, lambda: self.rights
        )
        self._bad = 0
        self._say(
            frames.Welcome(
                connection_id=self.connection_id,
                user_id=self.identity.user_id,
                protocol=NATIVE_PROTOCOL,
                server_time=time.time(),
                token_expires_at=self.login.expires_at,
                heartbeat_s=settings.HEARTBEAT_S,
                limits=frames.Limits(
                    subscriptions=limit_of(settings.SUBSCRIPTIONS_PER_SOCKET),
                    replays=settings.REPLAYS_PER_SOCKET,
                    requests_per_s=self._allowance.rate,
                    frame_bytes=settings.FRAME_BYTES_MAX,
                ),
                streams=self._operations.offered(),
                warnings=[],
            )
        )
        self._signs = Signs(self.outlet, self._book, freshness_of(self.layer.reader), self._say)
        self._signs.expect_end(self.login.expires_at)
        self._signs.start()

    async def closed(self) -> None:
        self._signs.stop()
        await self._book.end(self._book.members())

    def memberships(self) -> list[Membership]:
        """Return what the socket subscribes to now."""
        return [membership_of(each.subscription) for each in self._book.members()] if self._began else []

    def places(self) -> list[Place]:
        """Return how far the socket was told of each log, of the first few."""
        return places_of(member.subscription for member in self._book.members()) if self._began else []

    def end(self, close: Close, rule: str = "") -> None:
        """Close the socket; what the client can do about it is told in a frame before."""
        code, retry = code_of_close(close), retry_after_ms(close)
        if code is not None:
            incident = None if retry is None else _incident(code)
            self._say(
                frames.ErrorFrame(
                    error_code=code,
                    error=close.meaning,
                    retryable=retry is not None,
                    connection_id=self.socket_id,
                    **_present(retry_after_ms=retry, incident=incident),
                )
            )
        super().end(close, rule)

    # -- requests -----------------------------------------------------------------------------------------------------

    async def websocket_receive(self, message: Message) -> None:
        """Answer one frame with exactly one acknowledgement; only binary, or too many bad ones, end the socket."""
        text: str | None = message.get("text")
        if text is None:
            self.end(UNSUPPORTED)
            return
        # A client that does not read its answers gets no more questions answered.
        await self.outlet.writable()
        came = time.time()
        wait_ms = self._allowance.take(time.monotonic())
        try:
            head = requests.read_head(text)
        except HeadRefused as fault:
            self._refuse(fault.refused, fault.op, fault.id, came)
            return
        try:
            answer = await self._answer(head, wait_ms)
        except Refused as refused:
            self._refuse(refused, head.op, head.id, came)
        except Exception:  # a request's root: a defect of ours costs this answer, not the socket
            logger.exception("request failed", op=head.op)
            self._refuse(Refused("INTERNAL_ERROR", "this request failed"), head.op, head.id, came)
        else:
            self._bad = 0
            ack = frames.ACKS[head.op](
                op=head.op,
                time_in=came,
                time_out=time.time(),
                warnings=list(answer.warnings),
                **_present(id=head.id),
                **answer.added,
            )
            self._say(ack)
            answer.then()
            self._signs.begun(answer.begun)

    async def _answer(self, head: Head, wait_ms: int) -> Answer:
        if wait_ms:
            rule = f"more than {self._allowance.rate} requests per second"
            raise Refused("RATE_LIMITED", rule, retry_after_ms=wait_ms)
        return await (self._refresh(head) if head.op == "token" else self._operations.answer(head))

    def _refuse(self, refused: Refused, op: str | None, request_id: str | int | None, came: float) -> None:
        REQUEST_ERRORS.labels(refused.code).inc()
        facts = {
            "error_code": refused.code,
            "error": refused.text,
            "retryable": refused.error.retryable,
            **_present(id=request_id, field=refused.field, retry_after_ms=refused.retry_after_ms),
        }
        if refused.code == "INTERNAL_ERROR":
            facts["incident"] = _incident(refused.code)
        if op is None:
            self._say(frames.ErrorFrame(**facts))
        else:
            facts |= _present(begins_at=refused.begins_at)
            self._say(frames.ErrorAck(op=op, time_in=came, time_out=time.time(), **facts))
        self._bad = self._bad + 1 if refused.error.bad else 0
        if self._bad >= BAD_IN_A_ROW_LIMIT:
            self.end(RATE_LIMITED, f"{self._bad} requests in a row could not be read")
        elif self._allowance.abused:
            self.end(RATE_LIMITED, f"kept asking beyond {self._allowance.rate} requests per second")

    async def _refresh(self, head: Head) -> Answer:
        fresh = requests.read(requests.Token, head.given)
        try:
            login = await login_of(fresh.token)
        except AuthenticationRefused:
            raise Refused("AUTH_INVALID", "the token does not verify") from None  # a cause might quote it
        except AuthenticationUnavailable:
            raise Refused("INTERNAL_ERROR", "users cannot be looked up now") from None
        if login.identity.user_id != self.identity.user_id:
            raise Refused("AUTH_CONFLICT", "the token belongs to another user")
        if self._expiry is not None:
            self._expiry.cancel()
        lost = has_lost(self.rights, login.identity.rights)
        self.scope["login"] = login  # type: ignore[typeddict-unknown-key]  # where the middleware put the first
        self._arm_expiry()
        self._signs.expect_end(login.expires_at)
        loop_sessions().add(self.identity.user_id, self)  # news that came meanwhile were about the old login
        ended = self._book.beyond(self.rights) if lost else []
        await self._book.end(ended)
        ends = [member.ended() for member in ended]
        warnings = [f"sub {end.sub} ended: its keys are no longer all yours to read" for end in ends]
        return Answer(
            {"token_expires_at": login.expires_at, "subscriptions": ends}, warnings[:WARNINGS_LIMIT]
        )

    def announce_end(self, reconnect_within_s: float, deadline_s: float) -> bool:
        self._signs.draining(reconnect_within_s, deadline_s)
        return True

    def _say(self, frame: Any) -> None:  # Any: msgspec encodes every struct of frames.py
        self.outlet.send(frames.encode(frame))


def _present(**facts: Any) -> dict[str, Any]:  # Any: fields of whichever frame
    """Return the facts that are known: the others are left out of the frame."""
    return {name: fact for name, fact in facts.items() if fact is not None}


def _incident(code: str) -> str:
    """Return an id that the client is told and that the log holds."""
    incident = uuid.uuid4().hex[:12]
    logger.warning("native socket met an incident", code=code, incident=incident)
    return incident
