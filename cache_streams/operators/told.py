"""What the leading relay tells of the logs: rate, age and retention of each stream, and its own hop."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.conf import settings

from cache_streams.hops import Percentiles
from cache_streams.log_names import retention_key
from cache_streams.operators.asking import reading, tell
from cache_streams.operators.questions import Load

HOPS = "hops"


class _Kept(msgspec.Struct):
    """One stream as the relay tells it; see ``relay.retention.Kept``."""

    logs: int = 0
    entries: int = 0
    bytes: int | None = None
    rate: float | None = None
    oldest_ms: int | None = None
    newest_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One stream: what its logs hold, and who subscribes. Ages in seconds, None while a log is empty."""

    name: str
    load: Load
    entries: int = 0
    bytes: int | None = None
    rate: float | None = None
    age_s: float | None = None
    reaches_s: float | None = None


def told_by_relay() -> Mapping[str, bytes]:
    """Return what the relay told in the last minute, by stream. Raises: WorkersUnreachableError."""
    with reading() as client:
        raw: dict[bytes, bytes] = tell(client, "HGETALL", retention_key(settings.GW_PREFIX))
    return {name.decode(): value for name, value in raw.items()}


def stream_rows(
    names: Sequence[str], told: Mapping[str, bytes], loads: Mapping[str, Load]
) -> list[StreamRow]:
    """Return a row for each of ``names``; what nobody told is left at nothing."""
    now_ms = time.time() * 1000
    rows = []
    for name in names:
        kept = msgspec.json.decode(told.get(name, b"{}"), type=_Kept)
        rows.append(
            StreamRow(
                name,
                loads.get(name, Load()),
                kept.entries,
                kept.bytes,
                kept.rate,
                _seconds_since(kept.newest_ms, now_ms),
                _seconds_since(kept.oldest_ms, now_ms),
            )
        )
    return rows


def relay_hops(told: Mapping[str, bytes]) -> dict[str, Percentiles]:
    """Return the percentiles of the relay's own hop, in seconds."""
    parsed: dict[str, Any] = msgspec.json.decode(told.get(HOPS, b"{}"))  # Any: numbers by name
    return {hop: percentiles for hop, percentiles in parsed.items() if percentiles}


def _seconds_since(moment_ms: int | None, now_ms: float) -> float | None:
    return None if moment_ms is None else max(0.0, (now_ms - moment_ms) / 1000)
