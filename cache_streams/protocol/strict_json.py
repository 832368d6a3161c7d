"""Reading a client's JSON strictly: no NaN, no infinity, no text that is not Unicode, bounded depth."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = Any  # Any: what JSON can hold; whoever reads a part of it checks that part
DEPTH_LIMIT = 16
"""Objects and arrays inside one another in one frame, the outermost counted."""


class NotStrict(ValueError):
    """A frame is not JSON, or not JSON as this gateway reads it; the text says what is wrong, never what stood there."""


def decode(frame: str | bytes, depth_limit: int = DEPTH_LIMIT) -> Json:
    """Return what a frame holds. Raises: NotStrict."""
    try:
        value = msgspec.json.decode(frame)
    except UnicodeError as exc:
        raise NotStrict("the frame is not UTF-8") from exc
    except ValueError as exc:
        raise NotStrict("the frame is not JSON") from exc
    except RecursionError as exc:
        raise _too_deep(depth_limit) from exc
    if _deeper_than(value, depth_limit):
        raise _too_deep(depth_limit)
    return value


def _too_deep(limit: int) -> NotStrict:
    return NotStrict(f"nested more than {limit} levels deep")


def _deeper_than(value: Json, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return False
    return True


def _parts(value: Json) -> list[Json]:
    """Return the containers directly inside ``value``."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [part for part in inside if isinstance(part, dict | list)]
