"""The agents family: one socket per console, told everything that its user's agents report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from cache_streams.agents.refusals import AgentRefused, Invalid
from cache_streams.agents.rights import Caller
from cache_streams.agents.selectors import Standing
from cache_streams.consumers.agent_beginning import active_runs, begin, read_asked, standing_of
from cache_streams.consumers.agent_feed import AgentFeed
from cache_streams.consumers.agent_patience import Patience, Verdict
from cache_streams.consumers.agent_pulse import Pulse
from cache_streams.consumers.agent_requests import AgentRequests, fresh_login
from cache_streams.consumers.agent_welcome import moment, moment_or_none, welcome
from cache_streams.consumers.socket import Message, SocketConsumer
from cache_streams.facts import Membership, Place
from cache_streams.metrics import REQUEST_ERRORS
from cache_streams.protocol.agents import frames
from cache_streams.protocol.agents.requests import BadFrame, Request, read_frame
from cache_streams.protocol.close_codes import (
    AUTH_CONFLICT,
    INTERNAL_ERROR,
    INVALID_CURSOR,
    RATE_LIMITED,
    SERVER_SHUTDOWN,
    TOO_LARGE,
    UNSUPPORTED,
    Close,
    Family,
)
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.agents import AGENTS

RETRY_AFTER_MS = 500
_QUERY_FIELDS = 64

logger = structlog.get_logger(__name__)


class AgentsConsumer(SocketConsumer):
    """One socket of ``/ws/agents/{client_id}`` or of an alias path."""

    family = Family.AGENTS

    _pulse: Pulse | None = None
    _ended = False

    async def opened(self) -> None:
        user_id = self.identity.user_id
        self.connection_id = f"agents-{self.socket_id.removeprefix('c-')}"
        self._feed = AgentFeed(self.layer, self.outlet, user_id)
        self._requests = AgentRequests(lambda: self.login)
        self._patience = Patience()
        try:
            await self._begin()
        except DatabaseError:
            logger.exception("agents socket could not begin")
            self.end(INTERNAL_ERROR)
        except AgentRefused:  # gone since the token was checked
            self.end(INTERNAL_ERROR)

    async def _begin(self) -> None:
        def look(caller: Caller) -> tuple[Any, ...]:  # Any: what is unpacked below
            standing = standing_of(caller)
            return caller, standing, active_runs(caller, standing)

        caller, standing, (active, resume_after) = await self._requests.asking(look)
        scope: dict[str, Any] = {**self.scope}  # Any: the middleware added to what ASGI has
        self._say(
            welcome(
                self.identity,
                caller,
                standing,
                active,
                resume_after=resume_after,
                connection_id=self.connection_id,
                client_id=scope["url_route"]["kwargs"].get("client_id"),
                carrier=scope["carrier"],
                subprotocol=scope["echo"],
                expires_at=self.login.expires_at,
            )
        )
        self._pulse = Pulse(self.outlet, self._heartbeat)
        self._expect_end()
        if caller.may("read"):
            query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=_QUERY_FIELDS)
            asked = {name: values[-1] for name, values in query.items()}
            await self._guarded(Request("subscribe", asked), welcomed=standing)

    async def closed(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
        await self._feed.stop()

    def memberships(self) -> list[Membership]:
        """Return the one subscription, while there is one."""
        hot = self._feed.hot if self._began else None
        return [] if hot is None else [Membership(AGENTS.name, hot)]

    def places(self) -> list[Place]:
        """Return the number up to which the user's events were told."""
        return [Place(AGENTS.name, str(self.identity.user_id), str(self._feed.told))] if self._began else []

    def end(self, close: Close, rule: str = "") -> None:
        """Close the socket; why is told in a frame before."""
        if not self._ended:
            self._ended = True
            if close is SERVER_SHUTDOWN:
                self._say(frames.ServerShutdown(retry_after_ms=RETRY_AFTER_MS))
            elif close is not INVALID_CURSOR:  # was told where it was found
                text = f"{close.meaning[0].upper()}{close.meaning[1:]}."
                self._say_error(close.reason.upper().replace(" ", "_"), text)
        super().end(close, rule)

    # -- requests -----------------------------------------------------------------------------------------------------

    async def websocket_receive(self, message: Message) -> None:
        """Answer one frame; only binary, excess or too many bad ones end the socket."""
        text: str | None = message.get("text")
        if self._ended:
            return
        if text is None or len(text) > settings.FRAME_BYTES_MAX:  # where the server itself has no such limit
            self.end(UNSUPPORTED if text is None else TOO_LARGE)
            return
        # A client that does not read its answers gets no more questions answered.
        await self.outlet.writable()
        verdict = self._patience.judge()
        if verdict is Verdict.WARNING:
            self._say_error("RATE_LIMITED", f"At most {settings.AGENTS_FRAMES_PER_MINUTE} frames per minute.")
            return
        if verdict is Verdict.END:
            self.end(RATE_LIMITED)
            return
        try:
            request = read_frame(text)
        except BadFrame as bad:
            self._refuse(bad.code, bad.text, Request(bad.action or "", {}, bad.request_id))
            return
        await self._guarded(request)

    async def _guarded(self, request: Request, *, welcomed: Standing | None = None) -> None:
        """Answer a request, or say why not.

        ``welcomed``: the request stood in the handshake; it gets no reply, and its stream begins where the welcome said.
        """
        try:
            result = await self._answer(request, welcomed)
        except BadFrame as bad:
            self._refuse(bad.code, bad.text, request)
        except Invalid as invalid:
            self._refuse(invalid.code, invalid.text, request, {"errors": invalid.errors})
        except AgentRefused as refused:
            self._refuse(refused.code, refused.text, request, refused.details)
            if refused.code == "INVALID_CURSOR":
                self.end(INVALID_CURSOR)
        except Exception:  # a request's root: a defect of ours costs this answer, not the socket
            logger.exception("request failed", action=request.action)
            self._refuse("INTERNAL_ERROR", "This request failed.", request)
        else:
            self._patience.answered()
            if result is not None and welcomed is None:
                self._say(frames.Reply(request_id=request.request_id, action=request.action, result=result))
            self._feed.start()

    async def _answer(self, request: Request, welcomed: Standing | None) -> Mapping[str, Json] | None:
        """Return the result that a reply carries; None when the request was answered by a frame of its own kind."""
        match request.action:
            case "ping" | "heartbeat" | "noise":
                self._say_life(request)
                return None
            case "ack":
                return {"cursor": request.params.get("cursor")}
            case "subscribe":
                asked = read_asked(request.params)
                beginning = await self._requests.asking(lambda caller: begin(caller, asked, welcomed))
                await self._feed.follow(beginning)
                return {"cursor": beginning.told, "tail": beginning.until}
            case "unsubscribe":
                await self._feed.stop()
                return {"cursor": self._feed.told}
            case "reauthenticate":
                return await self._reauthenticate(request)
        return await self._requests.answer(request)

    def _say_life(self, request: Request) -> None:
        now = moment()
        if request.action == "ping":
            data = {"user_id": str(self.identity.user_id)}
            named = {} if request.request_id is None else {"request_id": request.request_id}
            self._say(frames.Pong(timestamp=now, echo=request.params.get("timestamp"), data=data, **named))
        elif request.action == "heartbeat":
            self._say(frames.HeartbeatAck(timestamp=now, data=frames.Healthy(timestamp=now)))
        elif request.told_type != "heartbeat_ack":
            self._say(frames.Ignored(received_type=(request.told_type or "")[:64]))

    async def _reauthenticate(self, request: Request) -> Mapping[str, Json] | None:
        login = await fresh_login(request.params, self.login)
        if login.identity.user_id != self.identity.user_id:
            self.end(AUTH_CONFLICT)
            return None
        self.scope["login"] = login  # type: ignore[typeddict-unknown-key]  # where the middleware put the first
        if self._expiry is not None:
            self._expiry.cancel()
        self._arm_expiry()
        self._expect_end()
        return {"token_expires_at": moment_or_none(login.expires_at)}

    def _expect_end(self) -> None:
        if self._pulse is not None:
            self._pulse.expect_end(self.login.expires_at, moment_or_none(self.login.expires_at) or "")

    def _refuse(
        self, code: str, text: str, request: Request, details: Mapping[str, Json] | None = None
    ) -> None:
        REQUEST_ERRORS.labels(code).inc()
        self._say_error(code, text, request=request, details=details)
        if self._patience.refused():
            self.end(RATE_LIMITED)

    def _heartbeat(self) -> frames.Heartbeat:
        stats = frames.Stats(events_sent=self._feed.sent, messages_received=self._patience.received)
        return frames.Heartbeat(
            connection_id=self.connection_id, timestamp=moment(), cursor=self._feed.told, stats=stats
        )

    def _say_error(
        self,
        code: str,
        text: str,
        *,
        request: Request | None = None,
        details: Mapping[str, Json] | None = None,
    ) -> None:
        request_id, action = (None, None) if request is None else (request.request_id, request.action or None)
        self._say(
            frames.error_frame(code, text, moment(), details=details, request_id=request_id, action=action)
        )

    def _say(self, frame: Any) -> None:  # Any: every struct of frames.py
        self.outlet.send(frames.encode(frame))
