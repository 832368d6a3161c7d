"""The benchmark's own programs in C, compiled when they are wanted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.machine import BASE

_FOLDER = BASE / ".run" / "benchmarks"


def compiler() -> str | None:
    """Return the machine's C compiler; None where there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def program(source: Path) -> Path | None:
    """Return the program that ``source`` is compiled to, anew if it has changed; None without a compiler."""
    using = compiler()
    if using is None:
        return None
    binary = _FOLDER / source.stem
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([using, "-O2", "-o", str(binary), str(source)], check=True)
    return binary
