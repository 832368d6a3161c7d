"""Each pure protocol module is covered, every line and branch, by its own test file alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BASE = Path(__file__).resolve().parents[3]
PROTOCOL = BASE / "cache_streams" / "protocol"
TESTS = BASE / "tests" / "unit" / "protocol"


def own_tests(module: Path) -> Path:
    """Where the tests of a module stand: its folder's mirror, or one folder up with the folder's name before it."""
    package = module.relative_to(PROTOCOL).parent
    mirrored = TESTS / package / f"test_{module.stem}.py"
    return mirrored if mirrored.exists() else TESTS / f"test_{'_'.join([*package.parts, module.stem])}.py"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    # An outer run measures its own subprocesses; this one measures by itself.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST_"))
    }
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=BASE, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_each_modules_own_tests_reach_all_of_it(tmp_path: Path) -> None:
    settings = tmp_path / "coverage.ini"
    settings.write_text(f"[run]\nbranch = true\nsource = {PROTOCOL}\ndata_file = {tmp_path / 'data'}\n")
    tests = ["pytest", "-q", "-p", "no:cacheprovider", str(TESTS), f"--ignore={__file__}"]
    done = run(*tests, "--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report=")
    assert done.returncode == 0, done.stdout + done.stderr
    short = []
    for module in sorted(path for path in PROTOCOL.rglob("*.py") if path.name != "__init__.py"):
        context = f"^{re.escape(str(own_tests(module).relative_to(BASE)))}"
        report = [
            "coverage",
            "report",
            f"--rcfile={settings}",
            f"--include={module}",
            f"--contexts={context}|^$",
        ]
        told = run(*report, "-m", "--fail-under=100")
        if told.returncode != 0:
            short.append(told.stdout)
    assert not short, "\n".join(short)
