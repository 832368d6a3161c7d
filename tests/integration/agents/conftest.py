"""What every test of agent runs begins with."""

from __future__ import annotations

import pytest

from cache_streams.agents.rights import RECENT


@pytest.fixture(autouse=True)
def _fresh(fresh_counts: None) -> None:
    """Requests are counted for a minute, and rights are kept for a second: tests share the process."""
    RECENT.forget()
