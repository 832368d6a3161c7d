"""The benchmark of appends runs on both databases, and finds every answered event stored. No test asserts a speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.live import BASE

DEADLINE_S = 100.0


def test_every_answered_event_is_stored_without_a_gap_on_both_databases(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--results", str(tmp_path), "agents"]
    done = subprocess.run(command, cwd=BASE, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "agents.json").read_text())
    assert [(row["database"], row["events"]) for row in found["rows"]] == [
        ("SQLite", 80), ("SQLite", 400), ("PostgreSQL", 80), ("PostgreSQL", 400),
    ]  # fmt: skip
    stored = [verdict for verdict in found["verdicts"] if "stored" in verdict["rule"]]
    assert [verdict["measured"] for verdict in stored] == ["484 of 484"] * 2
