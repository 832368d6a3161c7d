"""Runs and events that producers add to Redis, signed: read by one worker, stored through the services, then acknowledged.

An entry of ``gw:agents:ingest`` has the fields ``v`` (1), ``producer``, ``op`` (``start`` or ``event``), ``body`` (JSON) and
``sig``: HMAC-SHA256 in hex over what ``signed_text`` returns. Entries may come twice, so ``start`` must name its ``run_id``
and ``event`` its ``event_id`` (and its ``run_id``): a repetition is recognised and changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from cache_streams.agents import services, wire
from cache_streams.agents.models import AgentProducerKey
from cache_streams.agents.refusals import AgentRefused, Invalid
from cache_streams.agents.rights import Caller, caller_of
from cache_streams.metrics import AGENTS_INGESTED
from cache_streams.protocol.strict_json import DEPTH_LIMIT, NotStrict, decode

GROUP = "gateway"
ENTRIES_PER_READ = 100
DEAD_MAX = 10_000
RECLAIM_IDLE_MS = 30_000
RECLAIM_PER_READ = 100
RETRY_S = 1.0
BODY_BYTES_MAX = 2 * wire.EVENT_BYTES_MAX

Fields = Mapping[bytes, bytes]
Entry = tuple[bytes, Fields]
logger = structlog.get_logger(__name__)


class EntryRefused(Exception):
    """An entry that is nobody's, or no request; ``code`` goes to the dead letters."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def ingest_key(prefix: str) -> str:
    """Return the Redis Stream that producers add to."""
    return f"{prefix}:agents:ingest"


def dead_key(prefix: str) -> str:
    """Return the Redis Stream of refused entries: as they came, with ``code`` and ``id``; the newest 10,000."""
    return f"{prefix}:agents:ingest:dead"


def signed_text(producer: str, op: str, body: bytes) -> bytes:
    """Return what a producer signs: version, name, operation and body, a line each."""
    return f"1\n{producer}\n{op}\n".encode() + body


def signature(secret: str, producer: str, op: str, body: bytes) -> str:
    """Return ``sig`` of an entry."""
    return hmac.new(secret.encode(), signed_text(producer, op, body), hashlib.sha256).hexdigest()


class Ingest:
    """The one worker of the stream; ``consumer`` names it across restarts, so that it goes on with what it had read."""

    def __init__(self, redis: Redis, prefix: str, consumer: str = "1") -> None:
        self._redis, self._consumer = redis, consumer
        self._key, self._dead = ingest_key(prefix), dead_key(prefix)

    def prepare(self) -> None:
        """Create the group, and finish what was read before and not acknowledged."""
        try:
            self._redis.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        while entries := self._read("0", block_ms=None):
            self._take_all(entries)

    def step(self, block_ms: int) -> int:
        """Take what another worker left behind, then what is new, waiting up to ``block_ms``; return how many.

        Raises ``redis.RedisError``, ``django.db.Error``: then nothing is lost, call ``prepare`` again.
        """
        left = self._reclaim()
        self._take_all(left)
        entries = self._read(">", block_ms=block_ms)
        self._take_all(entries)
        return len(left) + len(entries)

    def _read(self, after: str, block_ms: int | None) -> list[Entry]:
        streams = cast(Any, {self._key: after})  # invariant dict in redis-py
        reply = self._redis.xreadgroup(GROUP, self._consumer, streams, count=ENTRIES_PER_READ, block=block_ms)
        entries = [
            entry for _, found in cast(list[Any], reply or []) for entry in found
        ]  # redis-py: any reply
        return [(entry_id, fields or {}) for entry_id, fields in entries]

    def _reclaim(self) -> list[Entry]:
        reply = self._redis.xautoclaim(
            self._key, GROUP, self._consumer, RECLAIM_IDLE_MS, start_id="0", count=RECLAIM_PER_READ
        )
        entries = cast(Sequence[Any], reply)[1]  # as above
        return [(entry_id, fields or {}) for entry_id, fields in entries if entry_id is not None]

    def _take_all(self, entries: Sequence[Entry]) -> None:
        for entry_id, fields in entries:
            code = self._outcome(fields)
            with self._redis.pipeline() as pipeline:
                if code is not None:
                    letter = {**fields, b"code": code.encode(), b"id": entry_id}
                    pipeline.xadd(
                        self._dead, cast(Any, letter), maxlen=DEAD_MAX
                    )  # invariant dict in redis-py
                pipeline.xack(self._key, GROUP, entry_id)
                pipeline.xdel(self._key, entry_id)  # nobody else reads it; what stays would never go
                pipeline.execute()
            AGENTS_INGESTED.labels(code or "stored").inc()

    def _outcome(self, fields: Fields) -> str | None:
        """Store what an entry asks for; return the code of its refusal, None when there is none."""
        try:
            _store(fields)
        except (AgentRefused, EntryRefused) as refused:
            logger.warning(
                "ingest entry refused", code=refused.code, producer=_text(fields, b"producer")[:64]
            )
            return refused.code
        except (OperationalError, InterfaceError):
            raise  # the database is away: the entry waits
        except Exception:  # one entry's root: it must not stop those behind it
            logger.exception("ingest entry failed")
            return "INTERNAL_ERROR"
        return None


def run_for_ever(prefix: str, consumer: str, wait: Callable[[float], bool]) -> None:
    """Ingest until ``wait(seconds)`` returns True; Redis or a database that is away is tried again each second."""
    while not wait(0.0):
        with settings.REDIS_CLIENT(
            settings.REDIS_URL, socket_timeout=5.0, socket_connect_timeout=1.0
        ) as client:
            ingest = Ingest(client, prefix, consumer)
            try:
                ingest.prepare()
                while not wait(0.0):
                    ingest.step(block_ms=1000)
            except (RedisError, OSError, OperationalError, InterfaceError) as error:
                logger.warning("ingest interrupted", error=type(error).__name__)
                connection.close_if_unusable_or_obsolete()
        if wait(RETRY_S):
            return


def _store(fields: Fields) -> None:
    """Check who signed, then start or append. Raises: EntryRefused, AgentRefused."""
    if not fields:
        raise EntryRefused("ENTRY_GONE")  # trimmed or deleted by somebody between read and repetition
    if _text(fields, b"v") != "1":
        raise EntryRefused("VERSION_UNKNOWN")
    op, raw = _text(fields, b"op"), fields.get(b"body", b"")
    if len(raw) > BODY_BYTES_MAX:
        raise EntryRefused("TOO_LARGE")
    producer = _authentic(fields, op, raw)
    try:
        body = decode(raw, DEPTH_LIMIT)
    except NotStrict:
        raise EntryRefused("MALFORMED_MESSAGE") from None
    if op == "start":
        start = wire.read_start(body)
        if start.run_id is None:
            raise Invalid({"run_id": ["Field required"]})
        services.start_run(producer, start)
    elif op == "event":
        event = wire.read_event(body)
        missing = [name for name in ("run_id", "event_id") if getattr(event, name) is None]
        if missing or event.run_id is None:
            raise Invalid({name: ["Field required"] for name in missing})
        services.append_events(producer, event.run_id, [event])
    else:
        raise EntryRefused("INVALID_OPERATION")


def _authentic(fields: Fields, op: str, raw: bytes) -> Caller:
    """Return the account that a rightly signed entry acts for. Raises: EntryRefused (AUTH_INVALID), whatever is wrong."""
    name = _text(fields, b"producer")
    key = AgentProducerKey.objects.filter(name=name, is_active=True).first() if name.isprintable() else None
    # An unknown name costs as much as a wrong signature.
    right = signature(key.secret if key else "", name, op, raw)
    genuine = hmac.compare_digest(right.encode(), _text(fields, b"sig").encode())
    caller = caller_of(key.user_id) if key and genuine else None
    if caller is None:
        raise EntryRefused("AUTH_INVALID")
    return caller


def _text(fields: Fields, name: bytes) -> str:
    return fields.get(name, b"").decode(errors="replace")
