"""``python -m benchmarks [scenario …]``: runs scenarios against a real gateway, prints a table, keeps the results; ``report``: into the README."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import uvloop

from benchmarks import (
    agents,
    agents_live,
    crowd,
    dashboard,
    deaf,
    drill,
    fanout,
    growth,
    handshake,
    latency,
    login,
    operators,
    readme,
    relay_rate,
    resume,
    survival,
)
from benchmarks.gateway import Gateway, running_gateway
from benchmarks.machine import BASE, commit, facts
from benchmarks.report import Findings, Run, table, verdict_line, write

RESULTS = BASE / "benchmarks" / "results"
QUICK_RESULTS = BASE / ".run" / "benchmarks"


class Measure(Protocol):
    """A scenario: measures a running gateway whose Redis is empty."""

    def __call__(self, gateway: Gateway, *, quick: bool) -> Coroutine[None, None, Findings]: ...


SCENARIOS: dict[str, Measure] = {
    "handshake": handshake.measure,
    "login": login.measure,
    "latency": latency.measure,
    "drill": drill.measure,
    "agents": agents.measure,
    "agents_live": agents_live.measure,
    "fanout": fanout.measure,
    "symbols": fanout.measure_symbols,
    "growth": growth.measure,
    "crowd": crowd.measure,
    "connects": crowd.measure_connects,
    "operators": operators.measure,
    "relay": relay_rate.measure,
    "deaf": deaf.measure,
    "resume": resume.measure,
    "dashboard": dashboard.measure,
    "survival": survival.measure,
}


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; return 1 when a rule does not hold, else 0."""
    if arguments == ["report"]:
        readme.write()
        return 0
    options = _parse(arguments)
    results: Path = options.results or (QUICK_RESULTS if options.quick else RESULTS)
    passed = True
    for name in options.scenarios or SCENARIOS:
        run = Run(
            scenario=name,
            command=f"python -m benchmarks {'--quick ' if options.quick else ''}{name}",
            quick=options.quick,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=commit(),
            machine=facts(),
        )
        findings = _measured(SCENARIOS[name], quick=options.quick)
        write(results, run, findings)
        print(f"\n{name}\n\n{table(findings.rows)}\n")
        print("\n".join([*map(verdict_line, findings.verdicts), *findings.notes]), flush=True)
        passed = passed and findings.passed
    print(f"\nKept in {results}")
    return 0 if passed else 1


def _measured(measure: Measure, *, quick: bool) -> Findings:
    """Run a scenario against a gateway of its own, so that none finds what another left."""
    with running_gateway() as gateway, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure(gateway, quick=quick))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(SCENARIOS)}; default: all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds each: proves that they run, no figures"
    )
    parser.add_argument(
        "--results", type=Path, help="where to keep the results (default: benchmarks/results)"
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.scenarios) - SCENARIOS.keys())
    if unknown:
        parser.error(f"unknown scenario {', '.join(unknown)}: there are {', '.join(SCENARIOS)}")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
