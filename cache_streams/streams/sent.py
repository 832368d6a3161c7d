"""What ``group_send`` to a log-backed group carries through the inbox: checked when sent, so that nothing bad arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cache_streams.streams.declaration import Key, Kind, Rows, Stream

MESSAGE_TYPE = "stream.update"


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """One value for one key; ``value`` None when it is gone, ``element`` for collections, ``time`` in Unix seconds."""

    stream: str
    key: list[str]
    value: (
        dict[str, Any] | None
    )  # Any: the stream's canonical object as JSON, checked against its payload type
    element: str | None = None
    time: float | None = None


class NotSendable(ValueError):
    """A message to a log-backed group that breaks a rule; the text names the field and the rule."""


def encode_sent(stream: Stream, key: Key, message: Mapping[str, Any]) -> bytes:  # Any: a Channels message
    """Return the inbox form of ``{"type": "stream.update", "value": {…} or None, "element": …, "time": …}``.

    Raises: NotSendable.
    """
    if message.get("type") != MESSAGE_TYPE:
        raise NotSendable(f'type: must be "{MESSAGE_TYPE}" for a group of stream {stream.name!r}')
    if isinstance(stream.layout, Rows):
        raise NotSendable(f"stream {stream.name!r} has no source but its rows: append one")
    value, element = message.get("value"), message.get("element")
    if stream.kind is Kind.COLLECTION and not isinstance(element, str):
        raise NotSendable(
            f"element: stream {stream.name!r} is a collection; its updates name one element as text"
        )
    if value is None and stream.kind is Kind.TAIL:
        raise NotSendable(f"value: entries of stream {stream.name!r} cannot be removed")
    try:
        if value is not None:
            msgspec.convert(value, stream.payload)
        sent = Sent(stream.name, list(key), value, element, message.get("time"))
        return msgspec.msgpack.encode(msgspec.convert(msgspec.to_builtins(sent), Sent))
    except (msgspec.ValidationError, TypeError) as error:
        raise NotSendable(f"value: {error}") from error


def decode_sent(raw: bytes) -> Sent:
    """Return what ``encode_sent`` made. Raises: ``msgspec.DecodeError``."""
    return msgspec.msgpack.decode(raw, type=Sent)
