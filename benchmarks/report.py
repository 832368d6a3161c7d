"""What a scenario found: rows of a table, one verdict per rule, and how both are printed and kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.machine import Facts

Cell = str | int | float
Row = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule, what was measured against it, and whether it holds."""

    rule: str
    measured: str
    passed: bool


@dataclass(slots=True)
class Findings:
    """What a scenario measured; every row has the same columns. ``notes`` say what was left out, and why."""

    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def judge(self, rule: str, measured: str, *, passed: bool) -> None:
        """Add the verdict on one rule."""
        self.verdicts.append(Verdict(rule, measured, passed))

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class Run:
    """Circumstances of one run: ``date`` is ISO, ``command`` what to type to have it again."""

    scenario: str
    command: str
    quick: bool
    date: str
    commit: str
    machine: Facts


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of ``values`` that at least ``share`` (0..1) of them do not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def milliseconds(seconds: float) -> float:
    """Return milliseconds with two decimals, as tables show them."""
    return round(seconds * 1000, 2)


def table(rows: Sequence[Row]) -> str:
    """Return ``rows`` as a Markdown table; an empty text of none."""
    if not rows:
        return ""
    columns = list(rows[0])
    cells = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def verdict_line(verdict: Verdict) -> str:
    """Return a verdict as one line."""
    return f"{'pass' if verdict.passed else 'FAIL'}: {verdict.rule}: {verdict.measured}"


def write(directory: Path, run: Run, findings: Findings) -> None:
    """Keep a run as ``<scenario>.json`` and ``<scenario>.md`` in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    kept = {**asdict(run), "passed": findings.passed, **asdict(findings)}
    (directory / f"{run.scenario}.json").write_text(json.dumps(kept, indent=1) + "\n")
    (directory / f"{run.scenario}.md").write_text(_page(run, findings))


def _page(run: Run, findings: Findings) -> str:
    facts: list[Row] = [{"fact": name, "value": value} for name, value in run.machine.items()]
    lines = [f"- {line}" for line in [*map(verdict_line, findings.verdicts), *findings.notes]]
    parts = [
        f"# {run.scenario}{' (quick: too short for a figure)' if run.quick else ''}",
        f"`{run.command}` on {run.date} at commit {run.commit}.",
        table(findings.rows),
        "\n".join(lines),
        table(facts),
    ]
    return "\n\n".join(parts) + "\n"
