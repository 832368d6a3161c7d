"""Prefixes as Redis accepts them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cache_streams.sources.tracking import without_overlaps

_PREFIXES = st.lists(st.text("ab", max_size=4), max_size=8)


@given(_PREFIXES)
def test_no_kept_prefix_begins_with_another(prefixes: list[str]) -> None:
    kept = without_overlaps(prefixes)
    assert not [(a, b) for i, a in enumerate(kept) for j, b in enumerate(kept) if i != j and a.startswith(b)]


@given(_PREFIXES, st.text("ab", max_size=6))
def test_every_key_that_a_prefix_covered_is_still_covered_and_no_other(prefixes: list[str], key: str) -> None:
    covered = any(key.startswith(prefix) for prefix in prefixes)
    assert any(key.startswith(prefix) for prefix in without_overlaps(prefixes)) is covered
