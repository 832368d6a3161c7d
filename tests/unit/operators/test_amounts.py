"""How numbers stand on the operators' pages."""

from __future__ import annotations

import time

import pytest

from cache_streams.templatetags.amounts import UNKNOWN, duration, known, milliseconds, moment, since


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (12.0, "12 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (7_200.0, "2 h"),
        (200_000.0, "2.31 d"),
    ],
)
def test_a_duration_is_told_in_its_own_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_nobody_knows_is_a_dash() -> None:
    assert [duration(None), moment(None), milliseconds(None), known(None)] == [UNKNOWN] * 4


def test_a_moment_is_told_in_utc() -> None:
    assert moment(0.0) == "1970-01-01 00:00:00"


def test_a_moment_to_come_has_just_been() -> None:
    assert since(time.time() + 60) == "0.0 s"


def test_latencies_keep_three_digits() -> None:
    assert milliseconds(0.0012345) == "1.23 ms"
