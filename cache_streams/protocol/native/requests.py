"""What a client of the native family may ask, as closed types, and reading a frame into one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cache_streams.protocol.native.errors import Refused, invalid
from cache_streams.protocol.strict_json import Json, NotStrict, decode
from cache_streams.streams.declaration import Mode, Stream

ID_CHARACTERS_LIMIT = 128
SUBS_LIMIT = 100_000
SPEED_LEAST, SPEED_MOST = 1, 1_000
INTERVAL_MS_LEAST, INTERVAL_MS_MOST, INTERVAL_MS_DEFAULT = 50, 60_000, 250

RequestId: TypeAlias = (
    Annotated[str, Meta(max_length=ID_CHARACTERS_LIMIT)] | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
)
CursorText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
SubId: TypeAlias = Annotated[int, Meta(ge=1)]
IntervalMs: TypeAlias = Annotated[int, Meta(ge=INTERVAL_MS_LEAST, le=INTERVAL_MS_MOST)]
ModeName: TypeAlias = Literal["every", "latest", "sample"]
HISTORY_LIMIT = 1_000
HistoryCount: TypeAlias = Annotated[int, Meta(ge=1, le=HISTORY_LIMIT)]


class Keyed(Struct, kw_only=True, frozen=True):
    """A request about keys of one stream; the stream's own key fields stand beside these."""

    stream: str


class Replay(Struct, kw_only=True, frozen=True):
    """The past to tell first: after a cursor, or from a Unix time in seconds on; ``speed`` times as fast as it happened."""

    from_: Annotated[float, Meta(ge=0)] | CursorText = msgspec.field(name="from")
    speed: Annotated[float, Meta(ge=SPEED_LEAST, le=SPEED_MOST)] = 1.0


class Subscribe(Keyed, kw_only=True, frozen=True):
    """Follow keys. ``since`` is the cursor to continue after, or one per key when several logs are read.

    ``replay`` in its place tells the past first, spaced as it was; no snapshot comes before it.
    """

    mode: ModeName | UnsetType = UNSET
    interval_ms: IntervalMs | UnsetType = UNSET
    snapshot: bool = True
    since: CursorText | dict[str, CursorText] | None = None
    replay: Replay | UnsetType = UNSET


class Snapshot(Keyed, kw_only=True, frozen=True):
    """Tell the state of keys once; of bars also the newest ``history`` that the cache holds, oldest first."""

    history: HistoryCount | UnsetType = UNSET


class Partitions(Keyed, kw_only=True, frozen=True):
    """Name the partitions of a stream that has any: what ``"*"`` does not stand for."""


class Unsubscribe(Struct, kw_only=True, frozen=True):
    """End subscriptions: those of ``sub``, those of a stream and its key fields, or all."""

    sub: SubId | Annotated[list[SubId], Meta(min_length=1, max_length=SUBS_LIMIT)] | UnsetType = UNSET
    stream: str | UnsetType = UNSET
    all: bool = False


class Token(Struct, kw_only=True, frozen=True):
    """Go on with a fresh token of the same user."""

    token: Annotated[str, Meta(min_length=1, max_length=4096)]


class Explain(Struct, kw_only=True, frozen=True):
    """Say whether another request would be answered, and why."""

    request: dict[str, Any]  # Any: a request of any kind, read as one afterwards


class List(Struct, kw_only=True, frozen=True):
    """List this socket's subscriptions."""


class Ping(Struct, kw_only=True, frozen=True):
    """Ask for a sign of life."""


OPERATIONS: dict[str, type[Struct]] = {
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "list": List,
    "snapshot": Snapshot,
    "partitions": Partitions,
    "token": Token,
    "ping": Ping,
    "explain": Explain,
}
"""Every ``op``, and what it takes besides ``op`` and ``id``."""

_Form = TypeVar("_Form", bound=Struct)
_AT = re.compile(r" - at `\$\.?([A-Za-z_]\w*)?.*`\Z")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


@dataclass(frozen=True, slots=True)
class Head:
    """The part of a request that its acknowledgement repeats; ``op`` is one of ``OPERATIONS``."""

    op: str
    id: str | int | None
    given: Mapping[str, Json]


class HeadRefused(Exception):
    """A frame that names no operation; ``op`` and ``id`` as far as they could be read."""

    def __init__(self, refused: Refused, op: str | None = None, request_id: str | int | None = None) -> None:
        super().__init__(str(refused))
        self.refused, self.op, self.id = refused, op, request_id


def read_head(frame: str) -> Head:
    """Return what a frame asks. Raises: HeadRefused."""
    try:
        given = decode(frame)
    except NotStrict as fault:
        raise HeadRefused(Refused("MALFORMED_MESSAGE", str(fault))) from None
    if not isinstance(given, dict):
        raise HeadRefused(Refused("MALFORMED_MESSAGE", "the frame must be one object"))
    return head_of(given)


def head_of(given: Mapping[str, Json]) -> Head:
    """Return what a decoded request asks. Raises: HeadRefused."""
    op, request_id = given.get("op"), given.get("id")
    if not isinstance(op, str):
        fault = Refused("MALFORMED_MESSAGE", "op: a text is required", field="op")
        raise HeadRefused(fault, None, _id_or_none(request_id))
    if request_id is not None and _id_or_none(request_id) is None:
        rule = f"must be a text of at most {ID_CHARACTERS_LIMIT} characters or an integer of 64 bits"
        raise HeadRefused(invalid("id", rule), op[:64])
    if op not in OPERATIONS:
        known = ", ".join(OPERATIONS)
        refused = Refused(
            "INVALID_OPERATION", f"op: there is none of this name; there are {known}", field="op"
        )
        raise HeadRefused(refused, op[:64], request_id)
    return Head(op, request_id, given)


def read(form: type[_Form], given: Mapping[str, Json]) -> _Form:
    """Return the fields of a request. Raises: Refused ``INVALID_PARAMS`` naming field and rule, never the value."""
    present = {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(present, form)
    except msgspec.ValidationError as error:
        raise _refused(str(error), form) from None


def mode_of(stream: Stream, asked: Subscribe) -> Mode:
    """Return the mode of a subscription: the one asked for, or the stream's own. Raises: Refused."""
    mode = stream.mode if asked.mode is UNSET else Mode(asked.mode)
    if mode not in stream.modes:
        offered = ", ".join(each.value for each in Mode if each in stream.modes)
        raise Refused("MODE_UNSUPPORTED", f"mode: stream {stream.name!r} offers {offered}", field="mode")
    return mode


def _id_or_none(value: Json) -> str | int | None:
    if isinstance(value, bool):
        return None
    try:
        return msgspec.convert(value, RequestId)  # type: ignore[no-any-return]  # msgspec types a union as object
    except msgspec.ValidationError:
        return None


def _refused(error: str, form: type[Struct]) -> Refused:
    missing, at = _MISSING.match(error), _AT.search(error)
    if missing is not None and at is None:
        return invalid(missing[1], "is required")
    field = at[1] if at is not None and at[1] else form.__name__.lower()
    rule = _RULES.get(field) or _AT.sub("", error)
    return invalid(field, rule)


_RULES = {
    "mode": "must be every, latest or sample",
    "interval_ms": f"must be an integer from {INTERVAL_MS_LEAST} to {INTERVAL_MS_MOST}",
    "since": "must be a cursor, or an object of cursors by key",
    "replay": "must be an object: `from`, a cursor or a Unix time in seconds, and `speed`,"
    f" {SPEED_LEAST} to {SPEED_MOST}",
    "sub": "must be a subscription's number, or a list of them",
    "token": "must be a text of 1 to 4096 characters",
    "request": "must be an object",
}
"""What msgspec would say in terms of Python, or with what was given."""
