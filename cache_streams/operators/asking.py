"""The page's side: asks every worker, and waits for as many answers as heard the question. Blocks: for Django's threads."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from cache_streams.operators.questions import Answer, End, Look, Question, answers_key, channel

WITHIN_S = 2.0
"""A worker that has not answered by then is left out, and counted as missing."""
TIMEOUT_S = 3.0
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Answer)


class WorkersUnreachableError(Exception):
    """Redis, through which workers are asked, is away."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered in time; ``asked`` is how many workers heard the question."""

    asked: int
    answers: Sequence[Answer]

    @property
    def missing(self) -> int:
        """How many workers did not answer in time."""
        return max(0, self.asked - len(self.answers))


def ask_workers(body: Look | End) -> Answers:
    """Return what every worker answers within 2 s. Raises: WorkersUnreachableError."""
    question = Question(uuid.uuid4().hex, body)
    deadline = time.monotonic() + WITHIN_S
    answers: list[Answer] = []
    with reading() as client:
        asked: int = tell(client, "PUBLISH", channel(), _ENCODER.encode(question))
        while len(answers) < asked and (left_s := deadline - time.monotonic()) > 0:
            reply = tell(client, "BLPOP", answers_key(question.id), f"{left_s:.3f}")
            if reply is None:
                break
            answers.append(_DECODER.decode(reply[1]))
    return Answers(asked, sorted(answers, key=lambda answer: answer.worker))


@contextmanager
def reading() -> Iterator[Redis]:
    """Lend the process' client to what operators ask. Raises: WorkersUnreachableError."""
    try:
        yield _client(settings.REDIS_URL)
    except (RedisError, OSError) as error:
        raise WorkersUnreachableError from error


def tell(client: Redis, *command: str | bytes) -> Any:  # Any: the reply of any command
    """Send one command. redis-py types its command methods as sync or async; this client is sync."""
    return client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


@lru_cache(maxsize=2)
def _client(url: str) -> Redis:
    """Return the process' client; one retry, which finds a restarted Redis."""
    return settings.REDIS_CLIENT(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
    )
