"""Rules for single values that producers send; each returns the value as stored or says what it must be."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Any  # Any: JSON as sent; each rule checks its part
Check: TypeAlias = Callable[[Json], Json]

DEPTH_MAX = 16
INTEGER_MAX = 2**63 - 1
_RUN_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_DIGITS = re.compile(r"[0-9]{1,18}")


class Broken(ValueError):
    """A rule that a value breaks; the text is the rule, never the value."""


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a message: ``aliases`` are further names with the function that converts their values."""

    check: Check
    required: bool = False
    aliases: Mapping[str, Callable[[Json], Json]] | None = None


def text(longest: int, *, shortest: int = 0) -> Check:
    """Return a rule for texts of ``shortest`` to ``longest`` characters."""

    def check(value: Json) -> Json:
        if not isinstance(value, str) or not shortest <= len(value) <= longest:
            raise Broken(f"must be a text of {shortest} to {longest} characters")
        return value

    return check


def name(value: Json) -> Json:
    """Check a label: 1 to 64 printable characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= 64 or not value.isprintable():  # noqa: PLR2004 - said below
        raise Broken("must be a text of 1 to 64 printable characters")
    return value


def is_run_id(value: Json) -> bool:
    """Return whether a run could have this id."""
    return isinstance(value, str) and _RUN_ID.fullmatch(value) is not None


def run_id(value: Json) -> Json:
    """Check the id of a run."""
    if not is_run_id(value):
        raise Broken("must be 1 to 64 of A-Z a-z 0-9 . _ : -")
    return value


def user_id(value: Json) -> Json:
    """Check the id of a user, a number or its digits; returns the number."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= INTEGER_MAX:
        raise Broken("must be the id of a user: a whole number above 0, or its digits")
    return value


def uuid_text(value: Json) -> Json:
    """Check an event's id; returns its canonical spelling."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Broken("must be a UUID")
    return str(uuid.UUID(value))


def json_object(value: Json) -> Json:
    """Check an object of any members."""
    if not isinstance(value, dict):
        raise Broken("must be an object")
    return value


def anything(value: Json) -> Json:
    """Take any JSON, null included."""
    return value


def boolean(value: Json) -> Json:
    """Check a truth value."""
    if not isinstance(value, bool):
        raise Broken("must be true or false")
    return value


def integer(smallest: int) -> Check:
    """Return a rule for whole numbers from ``smallest``."""

    def check(value: Json) -> Json:
        if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= INTEGER_MAX:
            raise Broken(f"must be a whole number from {smallest}")
        return value

    return check


def number(smallest: float, largest: float = math.inf) -> Check:
    """Return a rule for finite numbers from ``smallest`` to ``largest``."""
    rule = f"from {smallest:g}" + ("" if largest == math.inf else f" to {largest:g}")

    def check(value: Json) -> Json:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Broken(f"must be a number {rule}")
        if not math.isfinite(value) or not smallest <= value <= largest:
            raise Broken(f"must be a finite number {rule}")
        return value

    return check


def one_of(*allowed: str) -> Check:
    """Return a rule for a choice."""

    def check(value: Json) -> Json:
        if not isinstance(value, str) or value not in allowed:
            raise Broken(f"must be one of {', '.join(allowed)}")
        return value

    return check


def failure(value: Json) -> Json:
    """Check why a run failed: ``{"code": text, "message": text}``, both optional."""
    known = {"code": text(64), "message": text(4096)}
    if not isinstance(value, dict) or not set(value) <= known.keys():
        raise Broken("must be an object of code and message")
    return {key: known[key](part) for key, part in value.items()}


def moment(value: Json) -> Json:
    """Check a producer's own time: a finite number, or a text such as RFC 3339 of up to 64 characters."""
    return number(-INTEGER_MAX, INTEGER_MAX)(value) if not isinstance(value, str) else text(64)(value)


def check_json(value: Json, depth_max: int = DEPTH_MAX) -> None:
    """Check what JSON in Python can hold and a client or a database could not take. Raises: Broken.

    Finite numbers, integers of 64 bits, text that is Unicode, ``depth_max`` containers inside one another.
    """
    level = [value]
    for _ in range(depth_max):
        for part in level:
            _check_leaf(part)
        level = [inner for part in level for inner in _parts(part)]
        if not level:
            return
    if any(isinstance(part, dict | list) for part in level):
        raise Broken(f"must not be nested more than {depth_max} levels deep")
    for part in level:
        _check_leaf(part)


def _check_leaf(part: Json) -> None:
    if isinstance(part, float) and not math.isfinite(part):
        raise Broken("must hold finite numbers only")
    if isinstance(part, int) and not -INTEGER_MAX - 1 <= part <= INTEGER_MAX:
        raise Broken("must hold integers of 64 bits only")
    texts = part.keys() if isinstance(part, dict) else (part,)
    for each in texts:
        if isinstance(each, str) and not each.isascii():
            try:
                each.encode()
            except UnicodeEncodeError as error:
                raise Broken("must hold Unicode text only") from error


def _parts(part: Json) -> list[Json]:
    if isinstance(part, dict):
        return list(part.values())
    return list(part) if isinstance(part, list) else []
