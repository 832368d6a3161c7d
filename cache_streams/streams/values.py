"""Lenient reading of what collectors stored: missing, null and oddly typed values become None, never an error."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from cache_streams.streams.declaration import Malformed

JSON_BYTES_MAX = 1_048_576
"""Largest stored value that is read; the largest real ones (a bot with all its feeds) have a few KiB."""

JSON_DEPTH_MAX = 32
"""Deepest nesting that is read: everything later may recurse over the value without a limit of its own."""

ID_LENGTH_MAX = 256
"""Longest id, symbol or account name: they become parts of keys."""

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_NUMBER_LENGTH_MAX = 64
_MILLISECONDS_FROM = 1e12
_EPOCH_MAX = 253_402_300_800.0  # 10000-01-01: beyond, no calendar of any client can show it
_EPOCH_MIN = -62_135_596_800.0  # 0001-01-01

_JSON = msgspec.json.Decoder()  # refuses NaN, Infinity and text that is not UTF-8


def json_object(raw: bytes) -> dict[str, Any]:  # Any: JSON as a collector stored it
    """Return the JSON object in ``raw``.

    Raises: Malformed ``size``, ``json`` (also NaN, Infinity), ``depth`` or ``shape`` (JSON, but not an object).
    """
    value = json_value(raw)
    if not isinstance(value, dict):
        raise Malformed("shape")
    return value


def json_value(raw: bytes) -> Any:  # Any: JSON as a collector stored it
    """Return the JSON value in ``raw``, bounded in size and depth. Raises: Malformed ``size``, ``json``, ``depth``."""
    if len(raw) > JSON_BYTES_MAX:
        raise Malformed("size")
    try:
        value = _JSON.decode(raw)
    except RecursionError:
        raise Malformed("depth") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed(
            "json"
        ) from None  # without its cause: decoders quote the value, and it may be private
    if not _is_shallow(value, JSON_DEPTH_MAX):
        raise Malformed("depth")
    return value


def name(value: str) -> str:
    """Return a key part as it is. Raises: Malformed ``key`` when it is empty or longer than ``ID_LENGTH_MAX``."""
    if not 0 < len(value) <= ID_LENGTH_MAX:
        raise Malformed("key")
    return value


def number(x: object) -> float | None:
    """Return a finite float; None for booleans, NaN, Infinity and text that is not a decimal number."""
    if isinstance(x, str):
        if len(x) > _NUMBER_LENGTH_MAX or not _NUMBER.fullmatch(x):
            return None
    elif isinstance(x, bool) or not isinstance(x, int | float):
        return None
    try:
        value = float(x)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def epoch(x: object) -> float | None:
    """Return Unix seconds from an epoch number (above 1e12: milliseconds), its text, or an ISO text (naive: UTC).

    None when unreadable or outside the years 1 to 9999.
    """
    seconds = number(x)
    if seconds is None:
        seconds = _iso_epoch(x) if isinstance(x, str) else None
    elif seconds > _MILLISECONDS_FROM:
        seconds /= 1000.0
    return seconds if seconds is not None and _EPOCH_MIN <= seconds < _EPOCH_MAX else None


def text(x: object) -> str | None:
    """Return a text; None when it is empty (the collectors' library turns null into "") or something else."""
    return x if isinstance(x, str) and x else None


def identifier(x: object) -> str | None:
    """Return an id as text: texts as they are, whole numbers in digits; None for anything else or too long."""
    if isinstance(x, float) and x.is_integer():
        x = int(x)
    if isinstance(x, int) and not isinstance(x, bool):
        x = str(x) if abs(x) < 10**ID_LENGTH_MAX else ""
    return x if isinstance(x, str) and 0 < len(x) <= ID_LENGTH_MAX else None


def _iso_epoch(x: str) -> float | None:
    try:
        moment = datetime.fromisoformat(x.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_shallow(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value  # type: ignore[assignment]  # both are iterables of JSON values
    else:
        return True
    return levels > 0 and all(_is_shallow(v, levels - 1) for v in inner if isinstance(v, dict | list))
