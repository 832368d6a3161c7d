"""``python -m benchmarks report``: puts the kept fan-out into the README, between two marks, and draws its chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import curves
from benchmarks.chart import panels, svg
from benchmarks.machine import BASE
from benchmarks.report import Row, table

BEGIN, END = "<!-- fan-out: written by python -m benchmarks report -->", "<!-- end of fan-out -->"
RESULTS = BASE / "benchmarks" / "results"
COLUMNS = (
    "load",
    "server",
    "CPU µs per frame",
    "delivered %",
    "p50 ms",
    "p99 ms",
    "KB per socket",
    "connects/s",
)


def write(readme: Path = BASE / "README.md", results: Path = RESULTS) -> None:
    """Draw the chart and replace what stands between the marks. Raises: ValueError where there are no marks."""
    kept = json.loads((results / "fanout.json").read_text())
    (results / "fanout.svg").write_text(svg(panels(kept["rows"])))
    grown = json.loads((results / "growth.json").read_text())
    (results / "growth.svg").write_text(curves.svg(grown["rows"]))
    readme.write_text(placed(readme.read_text(), section(kept)))


def section(kept: dict[str, Any]) -> str:  # Any: JSON of a run
    """Return what the README says of a run."""
    rows: list[Row] = [{column: row[column] for column in COLUMNS} for row in kept["rows"]]
    machine = kept["machine"]
    where = f"{machine['cpu']}, {machine['cpu_count']} CPUs, load {machine['load_before']} before"
    return "\n\n".join(
        [
            "![Server CPU per delivered frame](benchmarks/results/fanout.svg)",
            table(rows),
            (
                f"`{kept['command']}` at commit {kept['commit']}, {kept['date'][:10]}, on {where}. "
                "Medians; the server has one core, all else the other. "
                "How it is measured and what is promised: [benchmarks](benchmarks/README.md)."
            ),
        ]
    )


def placed(text: str, content: str) -> str:
    """Return ``text`` with ``content`` between the marks."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the text has no section between {BEGIN!r} and {END!r}")
    return f"{head}{BEGIN}\n\n{content}\n\n{END}{tail}"
