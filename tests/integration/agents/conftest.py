"""What every test of agent runs begins with."""

from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    """Throttles count in the cache, which tests share."""
    cache.clear()
