"""The curves of the growth scenario."""

from xml.etree import ElementTree as ET

from benchmarks.curves import svg
from benchmarks.growth import curves
from benchmarks.report import Row

SVG = "{http://www.w3.org/2000/svg}"
ROWS: list[Row] = [
    {"curve": "sockets", "at": 10, "CPU µs per frame": 4.0},
    {"curve": "sockets", "at": 1_000, "CPU µs per frame": 2.0},
    {"curve": "a & b", "at": 1, "CPU µs per frame": 1.0},
    {"curve": "a & b", "at": 2, "CPU µs per frame": 3.0},
]


def test_each_curve_has_a_line_and_a_dot_for_each_point() -> None:
    drawn = ET.fromstring(svg(ROWS))
    assert [len(line.attrib["points"].split()) for line in drawn.findall(f"{SVG}polyline")] == [2, 2]
    assert len(drawn.findall(f"{SVG}circle")) == len(ROWS)


def test_a_dearer_point_stands_higher() -> None:
    dots = ET.fromstring(svg(ROWS)).findall(f"{SVG}circle")
    assert float(dots[0].attrib["cy"]) < float(dots[1].attrib["cy"])


def test_every_curve_varies_its_cause_and_nothing_else() -> None:
    for curve in curves(quick=False):
        fixed = {
            (
                None if curve.cause == "sockets" else load.sockets,
                None if curve.cause == "updates/s" else load.rate,
                None if curve.cause == "symbols" else load.instruments,
            )
            for _, load in curve.points
        }
        assert len(fixed) == 1
