"""Where and on what a benchmark ran: what a reader needs to judge its numbers."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

import psutil

from cache_streams.server.embedded_redis import find_redis_server

BASE = Path(__file__).resolve().parent.parent
_PACKAGES = (
    "django",
    "channels",
    "channels-redis",
    "uvicorn",
    "uvloop",
    "websockets",
    "redis",
    "hiredis",
    "msgspec",
)

Facts = dict[str, str | int | float]


def facts() -> Facts:
    """Return machine, versions, commit and the load average of the last minute, each as a number or a text."""
    found: Facts = {
        "system": platform.platform(),
        "cpu": _cpu(),
        "cpu_count": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "redis_server": _redis_version(),
    }
    found.update({name: importlib.metadata.version(name) for name in _PACKAGES})
    return found


def commit() -> str:
    """Return the short commit, with ``+changes`` when files differ from it; ``unknown`` outside a clone."""
    revision = _git("rev-parse", "--short=12", "HEAD")
    if not revision:
        return "unknown"
    return f"{revision}+changes" if _git("status", "--porcelain", "--untracked-files=no") else revision


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=BASE, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu() -> str:
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except FileNotFoundError:  # not Linux
        named = None
    return named[1] if named else platform.processor() or platform.machine()


def _redis_version() -> str:
    told = subprocess.run(
        [find_redis_server(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    version = re.search(r"v=(\S+)", told)
    return version[1] if version else told.strip()
