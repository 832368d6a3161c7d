"""Reading the ``params`` of a request, field by field; every refusal names the field and the rule."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cache_streams.protocol.strict_json import Json

NAME_CHARACTERS_LIMIT = 128
NAMES_LIMIT = 1_024
"""Names in one list: as many as a socket may have streams."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,18}\s*\Z", re.ASCII)
_INTEGER_LIMIT = 10**18


class InvalidParams(ValueError):
    """A parameter is missing or breaks a rule."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


class Params:
    """The parameters of one request. Synonyms of a name are tried in order; the first that holds something counts."""

    def __init__(self, given: Mapping[str, Json]) -> None:
        self._given = given

    def text(self, name: str, *synonyms: str) -> str:
        """Return a name that must be there."""
        return _required(name, self.text_or_none(name, *synonyms))

    def text_or_none(self, name: str, *synonyms: str) -> str | None:
        """Return a name; None when it is absent, null, empty or 0."""
        value = self._first_true(name, *synonyms)
        return None if value is None else _name(name, value)

    def identity(self, name: str, *synonyms: str) -> str:
        """Return an id that must be there, as text; clients send ids as text or as integers."""
        return _required(name, self.identity_or_none(name, *synonyms))

    def identity_or_none(self, name: str, *synonyms: str) -> str | None:
        """Return an id as text; None when it is absent, null, empty or 0."""
        value = self._first_true(name, *synonyms)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return None if value is None else _name(name, value)

    def integer(self, name: str, *synonyms: str) -> int:
        """Return an integer, or a text that is one; 0 is a value, only null and absent are not."""
        value = self.integer_or_none(name, *synonyms)
        if value is None:
            raise InvalidParams(name, "is required")
        return value

    def integer_or_none(self, name: str, *synonyms: str) -> int | None:
        """Return an integer, or a text that is one; None when it is null or absent."""
        value = self.as_given(name, *synonyms)
        if value is None:
            return None
        if isinstance(value, str) and _INTEGER.match(value):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _INTEGER_LIMIT:
            raise InvalidParams(name, "must be an integer, or a text that is one, of at most 18 digits")
        return value

    def text_list(self, name: str) -> tuple[str, ...]:
        """Return a list of names without repetitions; one text means a list of one, null, absent and empty mean none."""
        value = self._given.get(name) or ()
        if isinstance(value, str):
            value = (value,)
        if not isinstance(value, list | tuple):
            raise InvalidParams(name, "must be a list of texts")
        if len(value) > NAMES_LIMIT:
            raise InvalidParams(name, f"must have at most {NAMES_LIMIT} entries")
        return tuple(dict.fromkeys(_name(name, entry) for entry in value))

    def as_given(self, name: str, *synonyms: str) -> Json:
        """Return the first value that is not null, untouched."""
        return next((value for key in (name, *synonyms) if (value := self._given.get(key)) is not None), None)

    def _first_true(self, *names: str) -> Json:
        return next((value for key in names if (value := self._given.get(key))), None)


def _required(name: str, value: str | None) -> str:
    if value is None:
        raise InvalidParams(name, "is required")
    return value


def _name(field: str, value: Json) -> str:
    if not isinstance(value, str):
        raise InvalidParams(field, "must be a text")
    if not 1 <= len(value) <= NAME_CHARACTERS_LIMIT:
        raise InvalidParams(field, f"must have 1 to {NAME_CHARACTERS_LIMIT} characters")
    if _CONTROL.search(value):
        raise InvalidParams(field, "must not contain control characters")
    return value
