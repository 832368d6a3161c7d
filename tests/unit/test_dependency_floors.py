"""What is installed is new enough, and nobody who installs by our requirements gets less."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

BASE = Path(__file__).resolve().parents[2]
FLOORS = BASE / "requirements-floors.txt"
_LINE = re.compile(r"(?P<name>[a-z0-9-]+)>=(?P<floor>[0-9.]+) +# (?P<reason>.+)")


def floors() -> dict[str, tuple[Version, str]]:
    """Return the floor of each package, and why; every line must be readable."""
    found = {}
    for line in FLOORS.read_text().splitlines():
        if line and not line.startswith("#"):
            match = _LINE.fullmatch(line)
            assert match, line
            found[match["name"]] = (Version(match["floor"]), match["reason"])
    return found


@pytest.mark.parametrize("name", floors())
def test_what_is_installed_is_not_below_its_floor(name: str) -> None:
    floor, reason = floors()[name]
    installed = Version(version(name))  # a floor of what nothing installs any more has to go
    assert installed >= floor, f"{name} {installed} is older than {floor}: {reason}"


def test_each_floor_has_a_reason_that_can_be_looked_up() -> None:
    for name, (_, reason) in floors().items():
        assert "CVE-" in reason or name == "uvicorn", name


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_no_requirement_lets_a_version_below_its_floor_in(file: str) -> None:
    known = floors()
    for line in (BASE / file).read_text().splitlines():
        text = line.partition("  #")[0].strip()
        if not text or text.startswith(("#", "-")):
            continue
        required = Requirement(text)
        name = required.name.lower().replace("_", "-")
        if name in known:
            lowest = max(
                (Version(each.version) for each in required.specifier if each.operator in {">=", "=="}),
                default=None,
            )
            assert lowest is not None, line
            assert lowest >= known[name][0], line


def test_the_floors_are_in_alphabetical_order() -> None:
    assert list(floors()) == sorted(floors())
