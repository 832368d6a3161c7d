"""A worker's side: hears questions on one Redis subscription, and answers each; silent, it costs a PING per second."""

from __future__ import annotations

import asyncio
import socket
from weakref import WeakKeyDictionary

import msgspec
import structlog
from redis.exceptions import RedisError

from cache_streams.connections import ask, shared_redis
from cache_streams.endings import loop_endings
from cache_streams.layer_connection import LayerConnection
from cache_streams.metrics import OPERATOR_QUESTIONS
from cache_streams.operators.counting import counted
from cache_streams.operators.questions import (
    ANSWERS_KEPT_S,
    Answer,
    End,
    Look,
    Question,
    answers_key,
    channel,
)
from cache_streams.protocol.close_codes import TRY_AGAIN_LATER
from cache_streams.sessions import Sessions, loop_sessions

AT_ONCE = 8
"""Questions that a worker answers at the same time; further ones are dropped, and counted."""
CLOSED_AT_ONCE = 100

logger = structlog.get_logger(__name__)
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Question)


class Listener:
    """Answers for the sockets of one event loop, under the name of its process."""

    def __init__(self, sessions: Sessions, name: str) -> None:
        self._sessions = sessions
        self.name = f"{socket.gethostname()}/{name}"
        loop_endings().worker = self.name
        self._connection = LayerConnection(self._hear)
        self._answering: set[asyncio.Task[None]] = set()
        self._beginning: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to hear; once more changes nothing."""
        if self._beginning is None:
            self._beginning = asyncio.create_task(self._begin(), name="operators")

    async def stop(self) -> None:
        """Hear nothing more."""
        if self._beginning is not None:
            self._beginning.cancel()
        for task in (*self._answering, *([self._beginning] if self._beginning else [])):
            task.cancel()
        await self._connection.flush()

    async def _begin(self) -> None:
        while True:
            try:
                await self._connection.subscribe(channel())
            except TimeoutError:  # Redis is away: it may take any time
                continue
            return

    def _hear(self, _name: str, payload: bytes) -> None:
        if len(self._answering) >= AT_ONCE:
            OPERATOR_QUESTIONS.labels("dropped").inc()
            return
        try:
            question = _DECODER.decode(payload)
        except msgspec.DecodeError:
            OPERATOR_QUESTIONS.labels("malformed").inc()
            return
        task = asyncio.create_task(self._answer(question), name="operator's question")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, question: Question) -> None:
        body = question.body
        answer = Answer(self.name)
        if isinstance(body, End):
            answer.ended = await self._end(body)
        elif not body.wanted.worker or body.wanted.worker == self.name:
            answer.seen = await counted(self._sessions.everyone(), body)
        else:  # another worker's sockets are wanted: this one only says that it is there
            answer.seen = await counted([], Look(body.wanted))
        key = answers_key(question.id)
        try:
            await ask(shared_redis(), "RPUSH", key, _ENCODER.encode(answer))
            await ask(shared_redis(), "EXPIRE", key, ANSWERS_KEPT_S)
        except (RedisError, OSError) as error:
            OPERATOR_QUESTIONS.labels("unanswered").inc()
            logger.warning("an operator's question was not answered", error=type(error).__name__)
        else:
            OPERATOR_QUESTIONS.labels("answered").inc()

    async def _end(self, wanted: End) -> list[str]:
        """Close what is wanted, and return the ids of what was closed."""
        if wanted.user_id is not None:
            sessions = list(self._sessions.of(wanted.user_id))
        else:
            sessions = [each for each in self._sessions.everyone() if each.socket_id == wanted.socket_id]
        for number, session in enumerate(sessions):
            logger.info("socket closed by an operator", connection_id=session.socket_id, admin=wanted.by)
            session.end(TRY_AGAIN_LATER, rule=f"operator {wanted.by} closed it")
            if number % CLOSED_AT_ONCE == CLOSED_AT_ONCE - 1:
                await asyncio.sleep(0)
        return [session.socket_id for session in sessions]


_listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, Listener] = WeakKeyDictionary()


def loop_listener(name: str = "main") -> Listener:
    """Return the listener of the running event loop; ``name`` is that of its process, where a supervisor gave one."""
    loop = asyncio.get_running_loop()
    listener = _listeners.get(loop)
    if listener is None:
        listener = _listeners[loop] = Listener(loop_sessions(), name)
    return listener
