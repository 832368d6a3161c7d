"""Which write a frame answers for."""

import pytest

from benchmarks.latency import Ledger


def ledger() -> Ledger:
    writes = Ledger()
    for number in range(3):
        writes.wrote(number, at=float(number))
    return writes


def test_a_frame_times_the_write_whose_mark_it_shows() -> None:
    seen = ledger()
    seen.saw(0, arrived=0.25)
    assert seen.seconds == [0.25]


def test_a_later_mark_answers_for_the_writes_that_no_frame_showed() -> None:
    seen = ledger()
    seen.saw(2, arrived=2.5)
    assert (seen.seconds, seen.superseded) == ([2.5, 1.5, 0.5], 2)


@pytest.mark.parametrize("mark", [99, "0"])
def test_a_mark_that_nobody_wrote_answers_for_nothing(mark: float | str) -> None:
    seen = ledger()
    seen.saw(mark, arrived=9.0)
    assert seen.seconds == []


def test_a_frame_that_comes_again_is_not_counted_again() -> None:
    seen = ledger()
    seen.saw(0, arrived=0.25)
    seen.saw(0, arrived=0.75)
    assert seen.seconds == [0.25]
