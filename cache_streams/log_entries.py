"""What stands in a log: entries, as Redis gives them and as the gateway knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import structlog

from cache_streams.metrics import FOREIGN_ENTRIES
from cache_streams.places import Position, position
from cache_streams.streams.update import KeySnapshot, Update

logger = structlog.get_logger(__name__)

encode_update = msgspec.msgpack.Encoder().encode
decode_update = msgspec.msgpack.Decoder(Update).decode
"""Raises: msgspec.DecodeError."""
_KEY_DECODER: msgspec.json.Decoder[tuple[str, ...]] = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry read from a log: an update, or the start of a new ``epoch``; neither when no relay wrote it."""

    position: Position
    update: Update | None
    epoch: str | None = None


def parse_entry(raw_id: bytes, fields: Mapping[bytes, bytes]) -> LogEntry:
    """Return the entry that one XRANGE or XREAD row holds; one that no relay wrote holds nothing, and is counted."""
    if b"c" in fields:
        return LogEntry(position(raw_id), None, fields[b"c"].decode())
    try:
        return LogEntry(position(raw_id), decode_update(fields[b"u"]))
    except (msgspec.DecodeError, KeyError) as error:
        # Not its content: it is not ours to show.
        logger.warning("log entry skipped: no relay wrote it", id=raw_id.decode(), error=type(error).__name__)
        FOREIGN_ENTRIES.inc()
        return LogEntry(position(raw_id), None)


def parse_key_snapshot(text: bytes, seq: bytes, blobs: list[bytes]) -> KeySnapshot | None:
    """Return the state of one key, None if it never held anything; a value that is gone leaves no update, but its seq."""
    held = sorted((decode_update(blob) for blob in blobs), key=lambda update: update.seq)
    if not held and not seq:
        return None
    updates = tuple(update for update in held if not update.deleted)
    return KeySnapshot(_KEY_DECODER.decode(text), int(seq) if seq else held[-1].seq, updates)
