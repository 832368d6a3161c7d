"""Samples of hops: bounded, and what percentiles make of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cache_streams import hops

SECONDS = st.lists(st.floats(0, 1e3), min_size=1)


def test_no_more_than_the_newest_samples_are_kept() -> None:
    for number in range(hops.RECENT + 10):
        hops.observe(hops.Hop.READER_TO_SOCKET, "tickers", float(number))
    kept = hops.recent()["reader_to_socket"]
    assert len(kept) == hops.RECENT
    assert kept[-1] == hops.RECENT + 9


def test_clocks_that_disagree_count_as_nothing() -> None:
    hops.observe(hops.Hop.RELAY_TO_READER, "tickers", -0.5)
    assert hops.recent()["relay_to_reader"][-1] == 0.0


def test_no_samples_have_no_percentiles() -> None:
    assert hops.percentiles([]) == {}


@given(SECONDS)
def test_percentiles_are_samples_in_order(samples: list[float]) -> None:
    told = hops.percentiles(samples)
    assert told["count"] == len(samples)
    assert min(samples) <= told["p50"] <= told["p95"] <= told["p99"] <= max(samples)
    assert {told["p50"], told["p95"], told["p99"]} <= set(samples)
