"""What the metrics of this process count, for tests that compare before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter


def count(counter: Counter, *labels: str) -> float:
    """Return how often ``counter`` was counted so far under ``labels``."""
    named = dict(zip(counter._labelnames, labels, strict=True))
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return sum(
        sample.value for sample in samples if sample.name.endswith("_total") and sample.labels == named
    )


@contextmanager
def counted(counter: Counter, *labels: str, times: int = 1) -> Iterator[None]:
    """Assert that the block counts ``counter`` exactly ``times`` times under ``labels``."""
    before = count(counter, *labels)
    yield
    assert count(counter, *labels) - before == times
