"""What every test of agent runs begins with."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from cache_streams.agents.rights import RECENT


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    """Throttles count in the cache, and rights are kept for a second: tests share the process."""
    cache.clear()
    RECENT.forget()
