"""How a benchmark's numbers are reduced and shown."""

import math

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report import Findings, percentile, table

VALUES = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1)


@given(VALUES, st.floats(min_value=0.0, max_value=1.0))
def test_a_percentile_is_a_measured_value_that_its_share_does_not_exceed(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


@given(VALUES)
def test_the_last_percentile_is_the_slowest(values: list[float]) -> None:
    assert percentile(values, 1.0) == max(values)


def test_of_nothing_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 0.95))


def test_no_limit_holds_for_what_was_never_measured() -> None:
    assert not percentile([], 0.95) < 1.0


def test_one_broken_rule_fails_the_run() -> None:
    found = Findings()
    found.judge("holds", "1", passed=True)
    assert found.passed
    found.judge("does not", "2", passed=False)
    assert not found.passed


def test_a_table_has_a_line_per_row_below_its_columns() -> None:
    assert table([{"kind": "tickers", "ms": 1.5}, {"kind": "bots", "ms": 12}]) == (
        "| kind    | ms  |\n|---------|-----|\n| tickers | 1.5 |\n| bots    | 12  |"
    )
