"""What a native socket's requests do, and what they are answered."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from accounts.identity import Rights
from cache_streams.connections import shared_redis
from cache_streams.consumers.native_book import Book, Member, Wanted
from cache_streams.consumers.native_lookups import bars_before, partitions_of
from cache_streams.consumers.native_replays import Replays, check_replay
from cache_streams.consumers.native_rules import Rules
from cache_streams.consumers.native_since import cursors_since
from cache_streams.log import Log
from cache_streams.log_names import LogName
from cache_streams.places import Cursor, cursor_text
from cache_streams.protocol.allowance import Allowance, limit_of
from cache_streams.protocol.native import frames, requests
from cache_streams.protocol.native.errors import Refused
from cache_streams.protocol.native.keys import find_stream, whole_key
from cache_streams.protocol.native.parts import narrowed
from cache_streams.protocol.native.rendition import told
from cache_streams.protocol.native.requests import Head
from cache_streams.replay import Replay
from cache_streams.streams import by_name
from cache_streams.streams.update import KeySnapshot

CACHE_RETRY_MS = 1_000

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the acknowledgement of a request adds, what begins once it was written, and with which subscriptions."""

    added: Mapping[str, Any] = field(default_factory=dict)  # Any: fields of the acknowledgement's own type
    warnings: Sequence[str] = ()
    then: Callable[[], None] = lambda: None
    begun: Sequence[Member] = ()


class Operations:
    """The operations of one socket that concern its subscriptions; ``rights`` are asked for each request."""

    def __init__(
        self, book: Book, replays: Replays, allowance: Allowance, rights: Callable[[], Rights]
    ) -> None:
        self._book, self._replays, self._allowance = book, replays, allowance
        self._rules = Rules(book, rights)

    async def answer(self, head: Head) -> Answer:
        """Do what a request asks. Raises: Refused."""
        operation: Callable[[Head], Awaitable[Answer]] = getattr(self, f"_{head.op}")
        try:
            return await operation(head)
        except (RedisError, OSError) as fault:
            logger.info("request met no Redis", op=head.op, error=type(fault).__name__)
            raise Refused(
                "CACHE_UNAVAILABLE", "the cache does not answer", retry_after_ms=CACHE_RETRY_MS
            ) from None

    def offered(self) -> list[str]:
        """Return the streams that the user may subscribe to, if only to what is theirs."""
        return self._rules.offered()

    async def _subscribe(self, head: Head) -> Answer:
        asked, wanted = self._rules.subscribe(head.given)
        manner, warnings = self._rules.manner(asked, wanted)
        begin = check_replay(asked, wanted, self._book)
        members = await self._book.prepare(wanted, manner, cursors_since(wanted, asked.since))
        replay = None if begin is None else await self._replay(members, asked, begin)
        warnings += [f"sub {old.sub} was replaced" for old in await self._book.add(members)]

        def start() -> None:
            if replay is not None:
                replay.start()
                return
            for member in members:
                member.subscription.start(snapshot=asked.snapshot)

        return Answer(
            {"subscriptions": [member.subscribed() for member in members]}, warnings, start, members
        )

    async def _replay(
        self, members: Sequence[Member], asked: requests.Subscribe, begin: Cursor | int
    ) -> Replay:
        try:
            return await self._replays.prepare(members, asked, begin)
        except (Refused, RedisError, OSError):
            for member in members:
                await member.subscription.stop()
            raise

    async def _unsubscribe(self, head: Head) -> Answer:
        ended = self._rules.unsubscribe(head.given)
        await self._book.end(ended)
        return Answer({"subscriptions": [member.ended() for member in ended]})

    async def _list(self, head: Head) -> Answer:
        return Answer({"subscriptions": [member.listed() for member in self._book.members()]})

    async def _snapshot(self, head: Head) -> Answer:
        asked, wanted = self._rules.snapshot(head.given)
        snapshots = []
        for each in wanted:
            states = await _state(each)
            key = whole_key(each.pattern)
            if isinstance(asked.history, int) and key is not None:
                bars = await bars_before(key, asked.history)
                states = [msgspec.structs.replace(state, history=bars) for state in states]
            snapshots += states
        return Answer({"snapshots": snapshots})

    async def _partitions(self, head: Head) -> Answer:
        asked = requests.read(requests.Partitions, head.given)
        return Answer({"partitions": await partitions_of(find_stream(by_name, asked.stream))})

    async def _ping(self, head: Head) -> Answer:
        return Answer()

    async def _explain(self, head: Head) -> Answer:
        asked = requests.read(requests.Explain, head.given)
        allowed, rule = self._rules.verdict(asked.request)
        remaining = frames.Remaining(
            subscriptions=limit_of(settings.SUBSCRIPTIONS_PER_SOCKET) - len(self._book),
            requests=self._allowance.left(time.monotonic()),
        )
        return Answer({"allowed": allowed, "rule": rule, "remaining": remaining})


async def _state(wanted: Wanted) -> list[frames.Told]:
    """Return what is known of the keys, as the log has it. Raises ``redis.RedisError``."""
    held: list[KeySnapshot] = []
    for partition, under in wanted.legs:
        name = LogName(wanted.stream.name, partition, settings.GW_PREFIX)
        state = await Log(shared_redis(), name, wanted.stream).snapshot(under)
        cursor = "" if state.epoch is None else cursor_text(Cursor(state.epoch, state.position))
        held += [KeySnapshot(key.key, key.seq, key.updates, cursor) for key in state.keys]
        exact = whole_key(wanted.pattern)
        if exact is not None and not state.keys:
            held.append(KeySnapshot(exact, 0, (), cursor))
    if wanted.part is not None:
        held = narrowed(wanted.stream, wanted.part, held)
    return [told(wanted.stream, key) for key in held]
