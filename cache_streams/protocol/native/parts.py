"""Parts of a key: what of it a request wants, and how that is told, keyed and numbered as what it is part of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from cache_streams.protocol.native.errors import Refused, invalid
from cache_streams.protocol.native.rendition import NativeRendition
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.declaration import Key, Parts, Stream
from cache_streams.streams.update import KeySnapshot, Update

PART_CHARACTERS_LIMIT = 64
_NAME = re.compile(rf"[A-Za-z0-9._:-]{{1,{PART_CHARACTERS_LIMIT}}}")


@dataclass(frozen=True, slots=True)
class Part:
    """The updates of a key whose payload has the value ``name`` in the field that the request calls ``field``."""

    field: str
    name: str
    whole_series: bool
    """It is one series; else any number of them."""

    @property
    def text(self) -> str:
        """The part as clients read it: ``run:r1``, ``thread:t1/*``."""
        return self.key("*")

    def key(self, series: str) -> str:
        """Return what frames call one series of this part: ``run:r1``, ``thread:t1/r1``."""
        return f"{self.field}:{self.name}" + ("" if self.whole_series else f"/{series}")


def part_fields(stream: Stream) -> tuple[str, ...]:
    """Return the request fields that name parts of a key; () where there are none."""
    return () if stream.parts is None else tuple(name for name, _ in stream.parts.members)


def read_parts(stream: Stream, given: Mapping[str, Json], limit: int) -> list[Part]:
    """Return which parts a request names, each once; none for whole keys. Raises: Refused."""
    named = [name for name in part_fields(stream) if given.get(name) is not None]
    if stream.parts is None or not named:
        return []
    if len(named) > 1:
        raise invalid(named[1], f"excludes {named[0]}")
    value = given[named[0]]
    values = value if isinstance(value, list) else [value]
    if not 1 <= len(values) <= limit:
        raise Refused("TOO_MANY_SUBSCRIPTIONS", f"the list must have 1 to {limit} entries")
    for each in values:
        if not isinstance(each, str) or not _NAME.fullmatch(each):
            raise invalid(
                named[0], f"must be 1 to {PART_CHARACTERS_LIMIT} of A-Z a-z 0-9 . _ : -, or a list of such"
            )
    whole = dict(stream.parts.members)[named[0]] == stream.parts.series
    return [Part(named[0], each, whole) for each in dict.fromkeys(map(str, values))]


@dataclass(frozen=True, slots=True)
class PartRendition:
    """What a subscription to one part sends. Those of the same part are equal: an update is rendered once for all of them."""

    stream: Stream = field(compare=False)
    name: str
    part: Part
    sub: int = field(compare=False)

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return a frame per series."""
        exact = (self.part.text,) if self.part.whole_series else None
        return NativeRendition(self.stream, self.sub, exact).snapshot(
            part_of(self.stream, self.part, keys), now
        )

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return the frame of an update whose place in the log is not known, if it is of this part."""
        return self.update_at(update, "", now)

    def update_at(self, update: Update, cursor: str, now: float) -> Sequence[bytes]:
        """Return the frame of an update, if it is of this part."""
        own = _own(self.stream, self.part, update)
        return () if own is None else NativeRendition(self.stream, self.sub).update_at(own, cursor, now)


def part_of(stream: Stream, part: Part, keys: Sequence[KeySnapshot]) -> list[KeySnapshot]:
    """Return what a part has of the state of whole keys, a state for each series."""
    found: dict[Key, list[Update]] = {}
    cursor = ""
    for key in keys:
        cursor = key.cursor
        for update in key.updates:
            own = _own(stream, part, update)
            if own is not None:
                found.setdefault(own.key, []).append(own)
    return [KeySnapshot(key, updates[-1].seq, tuple(updates), cursor) for key, updates in found.items()]


def _own(stream: Stream, part: Part, update: Update) -> Update | None:
    """Return an update as its series numbers it, None when it is not of the part."""
    if stream.parts is None:
        return None
    parts = stream.parts
    told = _decoder(parts).decode(update.data)
    if getattr(told, dict(parts.members)[part.field]) != part.name:
        return None
    series = getattr(told, parts.series)
    return msgspec.structs.replace(update, key=(part.key(series),), seq=getattr(told, parts.number))


@lru_cache
def _decoder(parts: Parts) -> msgspec.json.Decoder[Any]:  # Any: a type made here
    """Return what reads of a payload nothing but what its parts are known by."""
    texts = dict.fromkeys([*(member for _, member in parts.members), parts.series])
    form = msgspec.defstruct("Known", [*((text, str) for text in texts), (parts.number, int)])
    return msgspec.json.Decoder(form)


def narrowed(stream: Stream, part: Part, keys: Sequence[KeySnapshot]) -> list[KeySnapshot]:
    """Return the states that the answer to ``snapshot`` tells: of one series also when it holds nothing."""
    found = part_of(stream, part, keys)
    cursor = keys[-1].cursor if keys else ""
    return found or ([KeySnapshot((part.text,), 0, (), cursor)] if part.whole_series else [])
