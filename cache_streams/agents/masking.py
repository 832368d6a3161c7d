"""Secrets that producers pass to tools: masked before anything is stored."""

from __future__ import annotations

import re
from typing import Any

MASK = "***"
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET = re.compile(
    r"(?:^|_)(?:passwords?|passwd|passphrases?|secrets?|token|api_?keys?|authorization|credentials?|private_key)(?:_|$)"
)


def looks_secret(key: str) -> bool:
    """Return whether a key names a secret: ``password``, ``accessToken``, ``X-Api-Key``; not ``total_tokens``."""
    return _SECRET.search(re.sub(r"[^a-z0-9]+", "_", _HUMP.sub("_", key).lower())) is not None


def masked(value: Any) -> Any:  # Any: JSON of any shape, in and out
    """Return ``value`` with everything below a secret-looking key replaced; containers are copied."""
    if isinstance(value, dict):
        return {key: MASK if looks_secret(key) else masked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part) for part in value]
    return value
