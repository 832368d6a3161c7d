"""Which keys a request names: the key fields of its stream, each a text or a list, ``"*"`` for every one."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cache_streams.protocol.groups import NameTooLong, group_name, wire_key
from cache_streams.protocol.native.errors import Refused, invalid
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.declaration import Audience, Key, Stream

EVERY = "*"
NAME_CHARACTERS_LIMIT = 128

OWNER = "owner"
"""A key field of this name holds ``kind:id``; clients ask for an ``account``, and by default for all that is theirs."""
ACCOUNT = "account"

Pattern: TypeAlias = tuple[str | None, ...]
"""A key whose open fields are None."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Span:
    """Keys of one stream: those that begin with ``under``, in the log of ``partition`` (None: in every log of them)."""

    partition: str | None
    under: Key


def request_fields(stream: Stream) -> tuple[str, ...]:
    """Return what the key fields are called in requests."""
    return tuple(ACCOUNT if field == OWNER else field for field in stream.key_fields)


def optional_fields(stream: Stream) -> tuple[str, ...]:
    """Return the request fields that may be left out; they then mean every key that the user may see."""
    if stream.audience is Audience.SELF and stream.owner is not None:
        return (stream.owner,)
    return (ACCOUNT,) if OWNER in stream.key_fields else ()


def open_field(stream: Stream) -> str | None:
    """Return the request field that may be ``"*"``: the last one that does not name the log; None if there is none."""
    others = [
        asked
        for field, asked in zip(stream.key_fields, request_fields(stream), strict=True)
        if field != stream.partition
    ]
    return others[-1] if others else None


def find_stream(streams: Mapping[str, Stream], name: str) -> Stream:
    """Return the stream of a request. Raises: Refused."""
    if name not in streams:
        raise Refused(
            "UNKNOWN_STREAM", "stream: there is none of this name; welcome.streams lists them", field="stream"
        )
    return streams[name]


def read_patterns(stream: Stream, given: Mapping[str, Json], limit: int) -> list[Pattern]:
    """Return what a request names, each once, in its order; lists are combined. Raises: Refused."""
    named = [_names(stream, field, given, limit) for field in request_fields(stream)]
    if math.prod(len(names) for names in named) > limit:
        raise Refused("TOO_MANY_SUBSCRIPTIONS", f"the lists name more than {limit} keys")
    patterns = list(dict.fromkeys(itertools.product(*named)))
    for pattern in patterns:
        _check_length(stream, pattern)
    return patterns


def span_of(stream: Stream, pattern: Pattern) -> Span:
    """Return where the keys of a pattern stand, as far as the pattern alone says it."""
    under = tuple(itertools.takewhile(lambda part: part is not None, pattern))
    partition = None if stream.partition is None else pattern[stream.key_fields.index(stream.partition)]
    return Span(partition, tuple(part for part in under if part is not None))


def whole_key(pattern: Pattern) -> Key | None:
    """Return the key that a pattern names, None when it names more than one."""
    parts = tuple(part for part in pattern if part is not None)
    return parts if len(parts) == len(pattern) else None


def pattern_text(pattern: Pattern) -> str:
    """Return a pattern as clients read it: ``kraken:BTC/USDC``, ``kraken:*``."""
    return wire_key(tuple(EVERY if part is None else part for part in pattern))


def parse_key(stream: Stream, text: str) -> Key:
    """Return the key that a frame called ``text``. Raises: ValueError.

    A colon inside a symbol (``BTC/USDC:USDC``) stays with it: the other fields have none, but for owners, which are last.
    """
    places = len(stream.key_fields) - 1
    from_right = stream.partition is not None and stream.key_fields.index(stream.partition) == places
    parts = text.rsplit(":", places) if from_right else text.split(":", places)
    if len(parts) != len(stream.key_fields) or not all(parts):
        raise ValueError("not a key of this stream")
    return tuple(parts)


def _names(stream: Stream, field: str, given: Mapping[str, Json], limit: int) -> tuple[str | None, ...]:
    value = given.get(field)
    if value is None and field in optional_fields(stream):
        return (None,)
    if value is None:
        raise invalid(field, f"is required for stream {stream.name!r}")
    values = value if isinstance(value, list) else [value]
    if not 1 <= len(values) <= limit:
        raise invalid(field, f"a list must have 1 to {limit} entries")
    return tuple(_name(stream, field, entry) for entry in values)


def _name(stream: Stream, field: str, value: Json) -> str | None:
    if not isinstance(value, str):
        raise invalid(field, "must be a text or a list of texts")
    if value == EVERY:
        if field != open_field(stream):
            raise invalid(field, f'must be named for stream {stream.name!r}; "*" is for {open_field(stream)}')
        return None
    if not 1 <= len(value) <= NAME_CHARACTERS_LIMIT:
        raise invalid(field, f"must have 1 to {NAME_CHARACTERS_LIMIT} characters")
    if _CONTROL.search(value):
        raise invalid(field, "must not contain control characters")
    owned = field == ACCOUNT and OWNER in stream.key_fields
    return f"{ACCOUNT}:{value}" if owned else value


def _check_length(stream: Stream, pattern: Pattern) -> None:
    key = whole_key(pattern)
    if key is None:
        return
    try:
        group_name(stream.name, key)
    except NameTooLong as long:
        raise invalid(request_fields(stream)[-1], str(long)) from None
