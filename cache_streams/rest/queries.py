"""What a request for snapshots asks in its query: how much, from where on, and which values."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

import msgspec
from rest_framework.exceptions import ErrorDetail, ValidationError

from cache_streams.streams.declaration import Key, Stream

KEYS_DEFAULT, KEYS_MAX = 100, 500
ELEMENTS_DEFAULT, ELEMENTS_MAX = 1_000, 5_000
AFTER_CHARACTERS_MAX = 1_024
FILTER_CHARACTERS_MAX = 256
LIMIT, AFTER = "limit", "after"
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Query:
    """``limit`` keys, or elements of one key, after ``after``; ``equal``: values of fields that are wanted."""

    limit: int
    after: str | None
    equal: Mapping[str, str | bool]

    def wants(self, value: object) -> bool:
        """Return whether a canonical object has the wanted values."""
        return all(getattr(value, name) == wanted for name, wanted in self.equal.items())


def read_query(stream: Stream, given: Mapping[str, str], *, listing: bool) -> Query:
    """Return what is asked. Raises: ``ValidationError`` naming the parameter and its rule.

    An unknown parameter is refused: a filter with a typing error would look like a filter that matches everything.
    """
    most, default = (KEYS_MAX, KEYS_DEFAULT) if listing else (ELEMENTS_MAX, ELEMENTS_DEFAULT)
    filters = filters_of(stream)
    for name in given:
        if name not in (LIMIT, AFTER) and name not in filters:
            _refuse(name, f"There is no such parameter; there are {', '.join((LIMIT, AFTER, *filters))}.")
    limit = given.get(LIMIT, str(default))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= len(str(most)) and 1 <= int(limit) <= most):
        _refuse(LIMIT, f"limit is an integer from 1 to {most}.")
    after = given.get(AFTER)
    if after is not None and not 1 <= len(after) <= AFTER_CHARACTERS_MAX:
        _refuse(AFTER, "after is the text that the answer before called next.")
    equal = {name: _value(name, filters[name], text) for name, text in given.items() if name in filters}
    return Query(int(limit), after, equal)


@lru_cache
def filters_of(stream: Stream) -> Mapping[str, type]:
    """Return the fields of a stream's objects that are texts or truths, by which it can be asked for some of them."""
    known = msgspec.inspect.type_info(stream.payload)
    assert isinstance(known, msgspec.inspect.StructType)  # noqa: S101  # tells mypy what a payload is
    found: dict[str, type] = {}
    for field in known.fields:
        kinds = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
        for kind, as_type in ((msgspec.inspect.StrType, str), (msgspec.inspect.BoolType, bool)):
            if any(isinstance(each, kind) for each in kinds):
                found[field.encode_name] = as_type
    return found


def key_token(key: Key) -> str:
    """Return a key as ``next`` of a listing shows it."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def token_key(text: str) -> Key:
    """Return the key that ``next`` stood for. Raises: ``ValidationError``."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=tuple[str, ...])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        _refuse(AFTER, "after is the text that the answer before called next.")


def _value(name: str, kind: type, text: str) -> str | bool:
    if kind is str:
        if len(text) > FILTER_CHARACTERS_MAX:
            _refuse(name, f"{name} has at most {FILTER_CHARACTERS_MAX} characters.")
        return text
    if text not in _TRUTHS:
        _refuse(name, f"{name} is true or false.")
    return _TRUTHS[text]


def _refuse(name: str, rule: str) -> NoReturn:
    raise ValidationError({name: [ErrorDetail(rule, "invalid")]})
