"""What a native socket's requests do: which keys they name, whether the user may, and the answer."""

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
from cache_streams.consumers.native_book import Book, Manner, Member, Wanted, wanted_of
from cache_streams.consumers.native_lookups import bars_before, partitions_of
from cache_streams.consumers.native_since import cursors_since
from cache_streams.log import Log
from cache_streams.log_names import LogName
from cache_streams.permissions import sees_all
from cache_streams.places import Cursor, cursor_text
from cache_streams.protocol.allowance import Allowance, limit_of
from cache_streams.protocol.native import frames, requests
from cache_streams.protocol.native.errors import Refused, invalid
from cache_streams.protocol.native.keys import find_stream, read_patterns, whole_key
from cache_streams.protocol.native.rendition import told
from cache_streams.protocol.native.requests import Head, HeadRefused
from cache_streams.protocol.strict_json import Json
from cache_streams.streams import by_name
from cache_streams.streams.declaration import Audience, Mode
from cache_streams.streams.update import KeySnapshot

CACHE_RETRY_MS = 1_000
WARNINGS_LIMIT = 16

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

    def __init__(self, book: Book, allowance: Allowance, rights: Callable[[], Rights]) -> None:
        self._book, self._allowance, self._rights = book, allowance, rights

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

    async def _subscribe(self, head: Head) -> Answer:
        asked, wanted = self._plan(head.given)
        manner, warnings = self._manner(asked, wanted)
        members = await self._book.prepare(wanted, manner, cursors_since(wanted, asked.since))
        warnings += [f"sub {old.sub} was replaced" for old in await self._book.add(members)]

        def start() -> None:
            for member in members:
                member.subscription.start(snapshot=asked.snapshot)

        return Answer(
            {"subscriptions": [member.subscribed() for member in members]}, warnings, start, members
        )

    async def _unsubscribe(self, head: Head) -> Answer:
        ended = self._named(head.given)
        await self._book.end(ended)
        return Answer({"subscriptions": [member.ended() for member in ended]})

    async def _list(self, head: Head) -> Answer:
        return Answer({"subscriptions": [member.listed() for member in self._book.members()]})

    async def _snapshot(self, head: Head) -> Answer:
        _, wanted = self._plan(head.given, subscribing=False)
        history = requests.read(requests.Snapshot, head.given).history
        snapshots = []
        for each in wanted:
            told = await _state(each)
            if isinstance(history, int):
                bars = await bars_before(each.stream, whole_key(each.pattern), history)
                told = [msgspec.structs.replace(state, history=bars) for state in told]
            snapshots += told
        return Answer({"snapshots": snapshots})

    async def _partitions(self, head: Head) -> Answer:
        asked = requests.read(requests.Partitions, head.given)
        return Answer({"partitions": await partitions_of(find_stream(by_name, asked.stream))})

    async def _ping(self, head: Head) -> Answer:
        return Answer()

    async def _explain(self, head: Head) -> Answer:
        asked = requests.read(requests.Explain, head.given)
        allowed, rule = self._verdict(asked.request)
        remaining = frames.Remaining(
            subscriptions=limit_of(settings.SUBSCRIPTIONS_PER_SOCKET) - len(self._book),
            requests=self._allowance.left(time.monotonic()),
        )
        return Answer({"allowed": allowed, "rule": rule, "remaining": remaining})

    # -- rules --------------------------------------------------------------------------------------------------------

    def _verdict(self, given: Mapping[str, Json]) -> tuple[bool, str]:
        """Return whether a request would be answered as things stand, and by which rule."""
        try:
            inner = requests.head_of(given)
            requests.read(requests.OPERATIONS[inner.op], inner.given)
            if inner.op == "unsubscribe":
                self._named(inner.given)
            if inner.op not in ("subscribe", "snapshot"):
                return True, "ANYBODY: every user may"
            asked, wanted = self._plan(inner.given, subscribing=inner.op == "subscribe")
            cursors_since(wanted, asked.since)
        except HeadRefused as fault:
            return False, f"{fault.refused.code}: {fault.refused}"
        except Refused as refused:
            return False, f"{refused.code}: {refused}"
        stream = wanted[0].stream
        if stream.audience is Audience.ANY_USER:
            return True, f"{stream.audience.name}: every user may read {stream.name}"
        if sees_all(stream, self._rights()):
            return True, f"STAFF: staff, and everybody in an open deployment, reads all {stream.name}"
        return True, f"OWNER: these {stream.name} are the user's own"

    def _plan(
        self, given: Mapping[str, Json], *, subscribing: bool = True
    ) -> tuple[requests.Subscribe, list[Wanted]]:
        """Return what a request asks, and of which parts of logs. Raises: Refused."""
        form = requests.Subscribe if subscribing else requests.Snapshot
        read = requests.read(form, given)
        stream = find_stream(by_name, read.stream)
        patterns = read_patterns(stream, given, limit_of(settings.SUBSCRIPTIONS_PER_SOCKET))
        wanted = [wanted_of(stream, pattern, self._rights()) for pattern in patterns]
        asked = read if isinstance(read, requests.Subscribe) else requests.Subscribe(stream=read.stream)
        if subscribing:
            if given.get("replay") is not None:
                raise Refused("REPLAY_UNAVAILABLE", "replay: this server does not replay", field="replay")
            new = sum(self._book.find(each) is None for each in wanted)
            most = limit_of(settings.SUBSCRIPTIONS_PER_SOCKET)
            if len(self._book) + new > most:
                raise Refused(
                    "TOO_MANY_SUBSCRIPTIONS",
                    f"{len(self._book)} and {new} more; at most {most} on one socket",
                )
        return asked, wanted

    def _manner(self, asked: requests.Subscribe, wanted: Sequence[Wanted]) -> tuple[Manner, list[str]]:
        """Return how to tell what is wanted, and what the client should know about its request."""
        mode = requests.mode_of(wanted[0].stream, asked)
        warnings = []
        interval_ms = None
        if mode is Mode.SAMPLE:
            interval_ms = (
                asked.interval_ms if isinstance(asked.interval_ms, int) else requests.INTERVAL_MS_DEFAULT
            )
        elif isinstance(asked.interval_ms, int):
            warnings.append(f"interval_ms: has no meaning in mode {mode.value}")
        open_ones = [member for member in self._book.members() if whole_key(member.wanted.pattern) is None]
        for each in wanted:
            others = open_ones if whole_key(each.pattern) is not None else self._book.members()
            overlapping = next((other for other in others if _overlap(other.wanted, each)), None)
            if overlapping is not None and len(warnings) < WARNINGS_LIMIT:
                warnings.append(
                    f"{each.text}: sub {overlapping.sub} ({overlapping.wanted.text}) has keys in common with it;"
                    " their updates come once for each subscription"
                )
        return Manner(mode, interval_ms), warnings

    def _named(self, given: Mapping[str, Json]) -> list[Member]:
        """Return the subscriptions that ``unsubscribe`` names. Raises: Refused."""
        asked = requests.read(requests.Unsubscribe, given)
        if asked.all:
            return self._book.members()
        found: list[Member | None]
        if isinstance(asked.sub, int | list):
            subs = asked.sub if isinstance(asked.sub, list) else [asked.sub]
            found = [self._book.get(sub) for sub in dict.fromkeys(subs)]
        elif isinstance(asked.stream, str):
            stream = find_stream(by_name, asked.stream)
            patterns = read_patterns(stream, given, limit_of(settings.SUBSCRIPTIONS_PER_SOCKET))
            found = [self._book.find(Wanted(stream, pattern, ())) for pattern in patterns]
        else:
            raise invalid("sub", "is required, or stream with its key fields, or all")
        named = [member for member in found if member is not None]
        if len(named) < len(found):
            raise Refused("NOT_SUBSCRIBED", "this socket has no such subscription; list names those it has")
        return named

    def offered(self) -> list[str]:
        """Return the streams that the user may subscribe to, if only to what is theirs."""
        rights = self._rights()
        return [
            stream.name
            for stream in by_name.values()
            if stream.audience is Audience.OWNER or sees_all(stream, rights)
        ]


def _overlap(one: Wanted, other: Wanted) -> bool:
    """Return whether two different patterns of one stream have keys in common."""
    return (
        one.stream.name == other.stream.name
        and one.pattern != other.pattern
        and all(a == b or a is None or b is None for a, b in zip(one.pattern, other.pattern, strict=True))
    )


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
    return [told(wanted.stream, key) for key in held]
