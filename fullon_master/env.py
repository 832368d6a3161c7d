"""Typed readers of the environment and ``.env``; the only module that touches ``os.environ``.

A bad value ends the process with exit code 2 and one sentence: the name, the value (never a secret's) and the rule.
Empty texts and the texts ``None`` and ``null`` mean that the name is unset, as deployments of this cache write them.
"""

import ipaddress
import json
import math
import os
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import environs

BASE_DIR = Path(__file__).resolve().parent.parent
DOTENV = Path(os.environ.get("ENV_FILE") or BASE_DIR / ".env")
SECRET_BYTES_MIN = 32
NAMES_READ: set[str] = {"ENV_FILE"}

_PLACEHOLDER = re.compile(
    r"insecure|change.?me|your.?secret|secret.?key|example|default|password", re.IGNORECASE
)
_UNSET = {"", "none", "null"}
_T = TypeVar("_T")

_env = environs.Env()
_env.read_env(DOTENV, recurse=False)


def refuse(sentence: str) -> NoReturn:
    """End the process with ``sentence`` on stderr and exit code 2, without a traceback."""
    sys.stderr.write(f"Settings: {sentence}\n")
    raise SystemExit(2)


def optional(name: str) -> str | None:
    """Return the text of ``name``, or None when it is unset."""
    NAMES_READ.add(name)
    text = _env.str(name, "").strip()
    return None if text.lower() in _UNSET else text


def _parsed(name: str, default: _T, parse: Callable[[str], _T], rule: str, *, shown: bool = True) -> _T:
    value = optional(name)
    if value is None:
        return default
    try:
        return parse(value)
    except (ValueError, KeyError, environs.EnvError):
        refuse(f"{name}{f'={value!r}' if shown else ' (value not shown)'} is refused: it must be {rule}.")


def text(name: str, default: str, *, pattern: str = r".+", rule: str = "a text", shown: bool = True) -> str:
    """Return the text of ``name``, which must match ``pattern`` as a whole; ``shown`` False keeps it out of messages."""

    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return _parsed(name, default, parse, rule, shown=shown)


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return ``name``, one of ``allowed``; letter case is ignored."""

    def parse(value: str) -> str:
        return {option.lower(): option for option in allowed}[value.lower()]

    return _parsed(name, default, parse, f"one of {', '.join(allowed)}")


def boolean(name: str, *, default: bool) -> bool:
    """Return ``name`` as a truth value: true/false, yes/no, on/off, 1/0."""
    return _parsed(name, default, lambda _: bool(_env.bool(name)), "true or false")


def integer(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return ``name`` as an integer within ``minimum``..``maximum``."""

    def parse(value: str) -> int:
        number = int(value)
        if not minimum <= number <= maximum:
            raise ValueError
        return number

    return _parsed(name, default, parse, f"an integer from {minimum} to {maximum}")


def positive_float(name: str, default: float) -> float:
    """Return ``name`` as a finite number above zero; the unit stands in the name."""

    def parse(value: str) -> float:
        number = float(value)
        if not (math.isfinite(number) and number > 0):
            raise ValueError
        return number

    return _parsed(name, default, parse, "a number above 0")


def is_emptied(name: str) -> bool:
    """Return whether ``name`` is there without a value: of a list with a default, that means none of it."""
    return optional(name) is None and _env.str(name, None) is not None


def texts(name: str, default: list[str], *, pattern: str = r".+", rule: str = "texts") -> list[str]:
    """Return ``name`` as a list: JSON (``["a", "b"]``) or separated by commas (``a, b``); ``[]`` is the empty list."""

    def parse(value: str) -> list[str]:
        parsed = json.loads(value) if value.startswith("[") else [part.strip() for part in value.split(",")]
        if not all(isinstance(part, str) and re.fullmatch(pattern, part) for part in parsed):
            raise ValueError
        return [str(part) for part in parsed]

    return _parsed(name, default, parse, f"a JSON list or a comma-separated list of {rule}")


def networks(name: str, default: list[str]) -> list[str]:
    """Return ``name`` as a list of addresses and networks: ``10.0.0.7``, ``10.1.0.0/16``, ``::1``."""

    def parse(value: str) -> list[str]:
        parts = json.loads(value) if value.startswith("[") else [part.strip() for part in value.split(",")]
        return [str(ipaddress.ip_network(part, strict=False)) for part in parts]

    return _parsed(name, default, parse, "a list of addresses or networks")


def secret(name: str, *, debug: bool) -> str:
    """Return the secret ``name``; outside DEBUG it must be of 32 bytes or more and no placeholder."""
    value = optional(name)
    if value is None:
        refuse(f"{name} is not set: `python -m fullon_master.env` writes a .env with random secrets.")
    if not debug and len(value.encode()) < SECRET_BYTES_MIN:
        refuse(
            f"{name} (value not shown) is too short: outside DEBUG it must have {SECRET_BYTES_MIN} bytes or more."
        )
    if not debug and _PLACEHOLDER.search(value):
        refuse(f"{name} (value not shown) looks like a placeholder: outside DEBUG it must be random.")
    return value


def write_dotenv(path: Path) -> bool:
    """Write ``path`` (mode 0600) with random secrets; return False and leave it alone when it exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("# Secrets of this installation. .env.example documents every other setting.\n")
        file.writelines(f"{name}={secrets.token_urlsafe(48)}\n" for name in ("SECRET_KEY", "JWT_SECRET_KEY"))
    return True


if __name__ == "__main__":
    written = write_dotenv(DOTENV)
    sys.stdout.write(f"{DOTENV}: {'written with random secrets' if written else 'exists, left as it is'}.\n")
