"""What the README says of a run, and the chart beside it."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.chart import Panel, panels, svg
from benchmarks.readme import BEGIN, END, placed
from benchmarks.report import Row

ROWS: list[Row] = [
    {"load": "few", "server": "gateway", "CPU µs per frame": 2.0},
    {"load": "few", "server": "slow & <old>", "CPU µs per frame": 300.0},
    {"load": "few", "server": "other", "CPU µs per frame": 1.5},
    {"load": "many", "server": "gateway", "CPU µs per frame": 1.0},
]


def test_content_replaces_what_stood_between_the_marks() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert placed(text, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_placing_twice_changes_nothing() -> None:
    once = placed(f"{BEGIN}{END}", "new")
    assert placed(once, "new") == once


@pytest.mark.parametrize("text", ["", BEGIN, END])
def test_a_text_without_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no section between"):
        placed(text, "new")


def test_each_load_has_a_panel_with_the_cheapest_first() -> None:
    few, many = panels(ROWS)
    assert [name for name, _ in few.bars] == ["other", "gateway", "slow & <old>"]
    assert many.bars == [("gateway", 1.0)]


def test_a_chart_is_xml_with_a_bar_per_row() -> None:
    drawn = ET.fromstring(svg(panels(ROWS)))
    assert len(drawn.findall("{http://www.w3.org/2000/svg}rect")) == len(ROWS)


def test_a_bar_that_would_dwarf_the_others_is_cut_and_says_so() -> None:
    drawn = svg([Panel("title", [("a", 1.0), ("b", 2.0), ("c", 300.0)])])
    assert "300 (bar cut)" in drawn
    assert "2 (bar cut)" not in drawn
