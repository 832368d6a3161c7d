"""The benchmark of the dashboard's animation frames runs. Counts only: no test asserts a time."""

import json
import subprocess
import sys
from pathlib import Path

from tests.live import BASE

DEADLINE_S = 110.0


def test_the_page_at_work_gets_every_market_from_the_script(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "benchmarks", "--quick", "--results", str(tmp_path), "dashboard")
    done = subprocess.run(command, cwd=BASE, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert (tmp_path / "dashboard.json").exists(), done.stdout + done.stderr
    found = json.loads((tmp_path / "dashboard.json").read_text())
    assert [row["page"] for row in found["rows"]] == ["at rest", "at work"]
    assert found["notes"][0].endswith("updates/s were sent, of 500 markets")
