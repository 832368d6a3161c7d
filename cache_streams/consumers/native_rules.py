"""The rules that a native socket's requests meet before anything is done: which keys, whether theirs, how many, how told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from django.conf import settings

from accounts.identity import Rights
from cache_streams.consumers.native_book import Book, Manner, Member, Wanted, wanted_of
from cache_streams.consumers.native_lookups import check_history, check_partitioned
from cache_streams.consumers.native_replays import check_replay
from cache_streams.consumers.native_since import cursors_since
from cache_streams.permissions import sees_all
from cache_streams.protocol.allowance import limit_of
from cache_streams.protocol.native import requests
from cache_streams.protocol.native.errors import Refused, invalid
from cache_streams.protocol.native.keys import Pattern, find_stream, read_patterns, whole_key
from cache_streams.protocol.native.parts import Part, read_parts
from cache_streams.protocol.native.requests import HeadRefused
from cache_streams.protocol.strict_json import Json
from cache_streams.streams import by_name
from cache_streams.streams.declaration import Audience, Mode, Stream

WARNINGS_LIMIT = 16


class Rules:
    """Reads requests of one socket as what they want; ``rights`` are asked for each."""

    def __init__(self, book: Book, rights: Callable[[], Rights]) -> None:
        self._book, self._rights = book, rights

    def wanted(self, given: Mapping[str, Json], stream_name: str) -> list[Wanted]:
        """Return which parts of logs a request names. Raises: Refused."""
        rights = self._rights()
        return [
            dataclasses.replace(wanted_of(stream, pattern, rights), part=part)
            for stream, pattern, part in self._named(given, stream_name)
        ]

    def _named(
        self, given: Mapping[str, Json], stream_name: str
    ) -> list[tuple[Stream, Pattern, Part | None]]:
        stream = find_stream(by_name, stream_name)
        limit = limit_of(settings.SUBSCRIPTIONS_PER_SOCKET)
        patterns = read_patterns(stream, given, limit)
        if stream.audience is Audience.SELF:  # there is one key: an open pattern is just that
            own = str(self._rights().user_id)
            patterns = list(dict.fromkeys(tuple(part or own for part in pattern) for pattern in patterns))
        parts: Sequence[Part | None] = read_parts(stream, given, limit) or [None]
        return [(stream, pattern, part) for pattern in patterns for part in parts]

    def subscribe(self, given: Mapping[str, Json]) -> tuple[requests.Subscribe, list[Wanted]]:
        """Return what is asked, and of which parts of logs, if there is room for it. Raises: Refused."""
        asked = requests.read(requests.Subscribe, given)
        wanted = self.wanted(given, asked.stream)
        new = sum(self._book.find(each) is None for each in wanted)
        most = limit_of(settings.SUBSCRIPTIONS_PER_SOCKET)
        if len(self._book) + new > most:
            raise Refused(
                "TOO_MANY_SUBSCRIPTIONS",
                f"{len(self._book)} and {new} more; at most {most} on one socket",
            )
        return asked, wanted

    def snapshot(self, given: Mapping[str, Json]) -> tuple[requests.Snapshot, list[Wanted]]:
        """Return what is asked, and of which parts of logs. Raises: Refused."""
        asked = requests.read(requests.Snapshot, given)
        wanted = self.wanted(given, asked.stream)
        if isinstance(asked.history, int):
            check_history(wanted[0].stream, [whole_key(each.pattern) for each in wanted])
        return asked, wanted

    def unsubscribe(self, given: Mapping[str, Json]) -> list[Member]:
        """Return the subscriptions that are to end. Raises: Refused."""
        asked = requests.read(requests.Unsubscribe, given)
        if asked.all:
            return self._book.members()
        found: list[Member | None]
        if isinstance(asked.sub, int | list):
            subs = asked.sub if isinstance(asked.sub, list) else [asked.sub]
            found = [self._book.get(sub) for sub in dict.fromkeys(subs)]
        elif isinstance(asked.stream, str):
            named_ones = self._named(given, asked.stream)
            found = [
                self._book.find(Wanted(stream, pattern, (), part)) for stream, pattern, part in named_ones
            ]
        else:
            raise invalid("sub", "is required, or stream with its key fields, or all")
        named = [member for member in found if member is not None]
        if len(named) < len(found):
            raise Refused("NOT_SUBSCRIBED", "this socket has no such subscription; list names those it has")
        return named

    def manner(self, asked: requests.Subscribe, wanted: Sequence[Wanted]) -> tuple[Manner, list[str]]:
        """Return how to tell what is wanted, and what the client should know about its request. Raises: Refused."""
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

    def verdict(self, given: Mapping[str, Json]) -> tuple[bool, str]:
        """Return whether a request would be answered as things stand, and by which rule."""
        try:
            wanted = self._dry_run(given)
        except HeadRefused as fault:
            return False, f"{fault.refused.code}: {fault.refused}"
        except Refused as refused:
            return False, f"{refused.code}: {refused}"
        if not wanted:
            return True, "ANYBODY: every user may"
        stream = wanted[0].stream
        if stream.audience is Audience.ANY_USER:
            return True, f"{stream.audience.name}: every user may read {stream.name}"
        if sees_all(stream, self._rights()):
            return True, f"STAFF: staff, and everybody in an open deployment, reads all {stream.name}"
        return True, f"OWNER: these {stream.name} are the user's own"

    def _dry_run(self, given: Mapping[str, Json]) -> list[Wanted]:
        """Return the keys that a request reads after it met every rule; none for what concerns no keys. Raises as it would."""
        inner = requests.head_of(given)
        form = requests.read(requests.OPERATIONS[inner.op], inner.given)
        if isinstance(form, requests.Subscribe):
            asked, wanted = self.subscribe(inner.given)
            cursors_since(wanted, asked.since)
            check_replay(asked, wanted, self._book)
            self.manner(asked, wanted)
            return wanted
        if isinstance(form, requests.Snapshot):
            return self.snapshot(inner.given)[1]
        if isinstance(form, requests.Unsubscribe):
            self.unsubscribe(inner.given)
        elif isinstance(form, requests.Partitions):
            check_partitioned(find_stream(by_name, form.stream))
        return []

    def offered(self) -> list[str]:
        """Return the streams that the user may subscribe to, if only to what is theirs."""
        rights = self._rights()
        return [
            stream.name
            for stream in by_name.values()
            if stream.audience in (Audience.OWNER, Audience.SELF) or sees_all(stream, rights)
        ]


def _overlap(one: Wanted, other: Wanted) -> bool:
    """Return whether two different patterns of one stream have keys in common."""
    return (
        one.stream.name == other.stream.name
        and one.pattern != other.pattern
        and all(a == b or a is None or b is None for a, b in zip(one.pattern, other.pattern, strict=True))
    )
