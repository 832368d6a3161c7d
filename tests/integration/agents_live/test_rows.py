"""Every row of the acceptance table is shown by something that exists, and no test claims a row that there is not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import SCENARIOS
from tests.integration.agents_live.rows import ROWS, Row
from tests.live import BASE

HERE = Path(__file__).parent
ID = re.compile(r"(?:(?<=^test_)|(?<=_and_)|(?<=_))(a[34]_\d\d|[iorps]\d)(?=_)")


def names(directory: Path) -> set[str]:
    """Return the names of all tests below a directory."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in directory.rglob("test_*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in functions if node.name.startswith("test_")}


def claimed() -> set[str]:
    """Return the rows that tests have in their names."""
    found = {row for name in names(HERE) for row in ID.findall(name)}
    return {row.upper().replace("_", "-") for row in found}


ONLY_TIMES = {"A3-18", "A3-21", "A3-22", "A4-06", "A4-12", "A4-13", "P1", "P3"}
EVERYWHERE = names(BASE / "tests")


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_shown_by_something_that_exists(name: str) -> None:
    row: Row = ROWS[name]
    assert set(row.others) <= EVERYWHERE
    assert set(row.lines) <= set(SCENARIOS)
    if row.why_none is None and not row.lines and not row.others:
        assert name in claimed()


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.lines])
def test_a_row_whose_time_is_measured_is_a_test_as_well_where_it_can_be_counted(name: str) -> None:
    assert name in claimed() | ONLY_TIMES


def test_no_test_claims_a_row_that_there_is_not() -> None:
    assert claimed() <= set(ROWS)
