"""Patterns of Redis keys: split a key into names and put names into a key, as the layout's separators demand."""

from __future__ import annotations

import re
from functools import lru_cache

from cache_streams.streams.declaration import Names

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SPREADING = ("symbol", "field", "process_id")
"""Names that contain colons themselves (``BTC/USDC:USDC``); the others end at the first colon, or begin after the last."""


def match(pattern: str, redis_key: str) -> Names | None:
    """Return the names that make ``pattern`` into ``redis_key``; None when it is another kind of key.

    Where a colon could belong to either side the first separators count (``ohlcv:``: the first and the last).
    """
    found = _compiled(pattern).fullmatch(redis_key)
    return found.groupdict() if found else None


def fill(pattern: str, names: Names) -> str:
    """Return the Redis key of ``names``. Raises: KeyError when a placeholder has no name."""
    return _PLACEHOLDER.sub(lambda found: names[found[1]], pattern)


def prefix(pattern: str) -> str:
    """Return the text before the first placeholder: what every key of the pattern begins with."""
    return pattern.partition("{")[0]


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(pattern)  # literal, name, literal, name, … literal
    placeholders = parts[1::2]
    spreading = next((p for p in placeholders if p in _SPREADING), placeholders[-1] if placeholders else None)
    expression = re.escape(parts[0])
    for placeholder, literal in zip(placeholders, parts[2::2], strict=True):
        expression += (
            f"(?P<{placeholder}>{'.+' if placeholder == spreading else '[^:]+'}){re.escape(literal)}"
        )
    return re.compile(expression, re.DOTALL)
