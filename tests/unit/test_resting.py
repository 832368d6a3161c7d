"""How long the reader rests: only where updates that come meanwhile share their writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.resting import MOST_S, PER_WORK, Rest


def rests(*, per_s: float, spent: float, steps: int = 60) -> float:
    """Return the last rest of a reader that has long been given ``per_s`` entries/s, each step of which takes ``spent``."""
    rest, now, slept = Rest(), 0.0, 0.0
    for _ in range(steps):
        waited = max(slept, 1 / per_s)
        now += waited
        slept = rest.after(round(max(1, per_s * (waited + spent))), began=now, now=now + spent)
        now += spent
    return slept


def test_updates_that_come_one_by_one_are_not_held_back() -> None:
    assert rests(per_s=100, spent=0.0015) == 0


def test_updates_that_come_fast_are_joined() -> None:
    assert rests(per_s=1000, spent=0.0015) == MOST_S


def test_a_reader_with_little_to_do_does_not_rest() -> None:
    assert rests(per_s=5000, spent=0.0001) == 0


def test_a_burst_after_silence_is_not_held_back_for_long() -> None:
    rest = Rest()
    rest.after(1, began=0.0, now=0.001)
    assert rest.after(500, began=100.0, now=100.002) == 0


@given(st.integers(0, 10_000), st.floats(0, 10), st.floats(0, 10))
def test_no_rest_is_longer_than_the_most_or_than_the_work_is_worth(
    entries: int, gap: float, spent: float
) -> None:
    rest = Rest()
    for number in range(3):
        began = number * (gap + spent) + gap
        slept = rest.after(entries, began=began, now=began + spent)
        assert 0 <= slept <= min(MOST_S, PER_WORK * spent + 1e-9)


@pytest.mark.parametrize("entries", [0, 1])
def test_time_that_stands_still_breaks_nothing(entries: int) -> None:
    rest = Rest()
    rest.after(entries, began=5.0, now=5.0)
    assert rest.after(entries, began=5.0, now=5.0) == 0
