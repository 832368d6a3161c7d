"""What a program reads, typed, and reading the server's frames into it."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from cache_streams.protocol.native.frames import (
    ACKS,
    Ack,
    ErrorAck,
    ErrorFrame,
    Heartbeat,
    Status,
    TokenExpiring,
    Welcome,
)
from cache_streams.streams import by_name
from cache_streams.streams.declaration import Kind

Content_co = TypeVar("Content_co", covariant=True)


class Deleted(Struct, frozen=True, forbid_unknown_fields=True):
    """An element that left its collection; the field holds its id."""

    deleted: str


class Message(Struct, Generic[Content_co], frozen=True, kw_only=True):
    """One state or change of one key.

    ``data`` is the stream's object, None when the value is gone or was never there; in snapshots of trades, orders and
    processes a list. ``source_time`` and ``relay_time`` are when the source stamped an update and when the relay took
    it, Unix seconds. ``missed`` counts changes of this key that were left out before this one. ``recovered`` is False
    on a state that replaces what could not be resumed. ``more``: further keys of the same snapshot follow.
    """

    kind: Literal["snapshot", "update"]
    stream: str
    key: str
    seq: int
    cursor: str | None
    data: Content_co
    source_time: float | None = None
    relay_time: float | None = None
    missed: int = 0
    recovered: bool | None = None
    more: bool = False
    replay: bool = False


class SnapshotFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """The state of one key, as it comes."""

    sub: int
    stream: str
    key: str
    seq: int
    cursor: str | None
    data: msgspec.Raw
    more: bool = False
    replay: bool = False


class UpdateFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="update"):
    """One change of one key, as it comes."""

    stream: str
    key: str
    seq: int
    cursor: str | None
    ts: tuple[float | None, float]
    data: msgspec.Raw
    replay: bool = False


class AnyAck(Struct, frozen=True, kw_only=True, tag_field="type", tag="ack"):
    """What every acknowledgement has."""

    op: str
    id: int
    ok: bool


Frame: TypeAlias = (
    Welcome | SnapshotFrame | UpdateFrame | AnyAck | Heartbeat | Status | TokenExpiring | ErrorFrame
)
"""What the server says."""


class Unknown(Exception):
    """A frame of a kind that this client does not know: a newer server's, to be ignored."""


class MalformedFrame(Exception):
    """A frame that no server of this protocol sends."""


class _Typed(Struct):
    type: str


_FRAME: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)
_TYPED = msgspec.json.Decoder(_Typed)
_KNOWN = frozenset({"welcome", "snapshot", "update", "ack"})
_ACKS: dict[str, msgspec.json.Decoder[Ack]] = {op: msgspec.json.Decoder(form) for op, form in ACKS.items()}
_REFUSAL = msgspec.json.Decoder(ErrorAck)


def read_frame(text: bytes) -> Frame:
    """Return what a frame says. Raises: Unknown, MalformedFrame."""
    try:
        return _FRAME.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        kind = _TYPED.decode(text).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedFrame("not a JSON object with a type") from None
    if kind in _KNOWN:
        raise MalformedFrame(f"a {kind} without the fields of one")
    raise Unknown(kind)


def read_ack(head: AnyAck, text: bytes) -> Ack | ErrorAck:
    """Return the whole of an acknowledgement. Raises: MalformedFrame."""
    try:
        return _ACKS[head.op].decode(text) if head.ok else _REFUSAL.decode(text)
    except (KeyError, msgspec.DecodeError):
        raise MalformedFrame("an ack without the fields of one") from None


def _decoders() -> dict[tuple[str, str], msgspec.json.Decoder[Any]]:  # Any: payloads of every stream
    found: dict[tuple[str, str], msgspec.json.Decoder[Any]] = {}  # Any: as above
    for name, stream in by_name.items():
        form: Any = stream.payload  # Any: a type that is put together at run time
        if stream.kind is Kind.VALUE:
            found[name, "snapshot"] = found[name, "update"] = msgspec.json.Decoder(form | None)
        else:
            found[name, "snapshot"] = msgspec.json.Decoder(list[form] | None)
            found[name, "update"] = msgspec.json.Decoder(form | None)
    return found


_DATA = _decoders()
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()  # Any: streams that a newer server offers
_DELETED = msgspec.json.Decoder(Deleted)


def read_data(stream: str, kind: str, data: msgspec.Raw) -> Any:  # Any: the object of whichever stream
    """Return the typed content of a frame. Raises: MalformedFrame."""
    try:
        return _DATA.get((stream, kind), _ANY).decode(data)
    except msgspec.DecodeError as fault:
        try:
            return _DELETED.decode(data)
        except msgspec.DecodeError:
            raise MalformedFrame(f"data of {stream}: {fault}") from None
