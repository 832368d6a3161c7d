"""Fields of what producers publish: strict where the gateway's own readers are lenient, so that nothing odd is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cache_streams.agents.rules import Broken, check_json
from cache_streams.protocol.native.keys import NAME_CHARACTERS_LIMIT
from cache_streams.streams import values

VALUE_BYTES_MAX = 65_536
TEXT_CHARACTERS_MAX = 1_000
MEMBERS_MAX = 500
_UNKNOWN_SHOWN = 20
_NAME = re.compile(r"[^\x00-\x20\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f])?")

if TYPE_CHECKING:  # generic in the stubs alone
    Shape = serializers.Serializer[object]
    TextField = serializers.Field[str, object, str, object]
    NumberField = serializers.Field[float, object, float, object]
    ObjectField = serializers.Field[dict[str, Any], object, dict[str, Any], object]  # Any: JSON
    IdField = serializers.Field[str | int, object, str | int, object]
    TruthField = serializers.Field[bool, object, bool, object]
else:
    Shape = serializers.Serializer
    TextField = NumberField = ObjectField = IdField = TruthField = serializers.Field


class Strict(Shape):
    """An object with these fields and no others: one misspelt would otherwise be lost without a word."""

    def to_internal_value(self, data: Any) -> Any:  # Any: as DRF types it
        """Return the values. Raises ``ValidationError`` with every field that breaks a rule, unknown ones among them."""
        unknown = set(data) - set(self.fields) if isinstance(data, Mapping) else set()
        errors: dict[str, Any] = {  # Any: as above
            name[:NAME_CHARACTERS_LIMIT]: ["There is no such field."]
            for name in sorted(unknown)[:_UNKNOWN_SHOWN]
        }
        valid: Any = None  # Any: as above
        try:
            valid = super().to_internal_value(data)
        except serializers.ValidationError as refused:
            if not isinstance(refused.detail, dict):
                raise
            errors |= refused.detail
        if errors:
            raise serializers.ValidationError(errors)
        return valid


_NAME_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_CHARACTERS_LIMIT,
    "pattern": r"^[^\x00-\x20\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f])?$",
}


@extend_schema_field(_NAME_SCHEMA)
class Name(TextField):
    """A part of a key: 1 to 128 characters without control characters."""

    default_error_messages = {
        "invalid": "A name is a text of 1 to 128 characters, without control characters and spaces at its ends.",
    }

    def to_internal_value(self, data: object) -> str:
        """Return the name."""
        if not isinstance(data, str) or len(data) > NAME_CHARACTERS_LIMIT or not _NAME.fullmatch(data):
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field(
    {**_NAME_SCHEMA, "pattern": r"^[^\x00-\x20\x7f-\x9f:]([^\x00-\x1f\x7f-\x9f:]*[^\x00-\x20\x7f-\x9f:])?$"}
)
class PlainName(Name):
    """A name without a colon, which would end the part of the key that it is."""

    default_error_messages = {"colon": "This name has no colon."}

    def to_internal_value(self, data: object) -> str:
        """Return the name."""
        name = super().to_internal_value(data)
        if ":" in name:
            self.fail("colon")
        return name


@extend_schema_field({"oneOf": [_NAME_SCHEMA, {"type": "integer"}]})
class NumberedName(Name):
    """A name that may be a whole number, as ids of accounts are."""

    def to_internal_value(self, data: object) -> str:
        """Return the name, a number in digits."""
        is_number = type(data) is int and abs(data) < 10**NAME_CHARACTERS_LIMIT  # a truth is an int, too
        return super().to_internal_value(str(data) if is_number else data)


@extend_schema_field({"type": "string", "maxLength": TEXT_CHARACTERS_MAX})
class Text(TextField):
    """A text of up to ``most`` characters, blank or not."""

    default_error_messages = {"invalid": "A text of at most {most} characters is needed."}

    def __init__(self, *, most: int = TEXT_CHARACTERS_MAX, **options: Any) -> None:  # Any: DRF's options
        super().__init__(**options)
        self._most = most

    def to_internal_value(self, data: object) -> str:
        """Return the text."""
        if not isinstance(data, str) or len(data) > self._most:
            self.fail("invalid", most=self._most)
        return data

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field(
    {"oneOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?[0-9]{1,30}(\.[0-9]{1,30})?$"}]}
)
class Number(NumberField):
    """A finite number, or its text."""

    default_error_messages = {
        "invalid": "A finite number is needed.",
        "negative": "It may not be negative.",
    }

    def __init__(self, *, signed: bool = True, **options: Any) -> None:  # Any: DRF's options
        super().__init__(**options)
        self._signed = signed

    def to_internal_value(self, data: object) -> float:
        """Return the number."""
        number = values.number(data)
        if number is None:
            self.fail("invalid")
        if number < 0 and not self._signed:
            self.fail("negative")
        return number

    def to_representation(self, value: float) -> float:
        return value


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]})
class Time(NumberField):
    """Unix seconds (above 10¹²: milliseconds) or ISO; without a zone UTC."""

    default_error_messages = {"invalid": "A time in Unix seconds or ISO 8601 is needed."}

    def to_internal_value(self, data: object) -> float:
        """Return Unix seconds."""
        time = values.epoch(data)
        if time is None:
            self.fail("invalid")
        return time

    def to_representation(self, value: float) -> float:
        return value


@extend_schema_field({"type": "boolean"})
class Truth(TruthField):
    """A truth, not a number or a text that might mean one."""

    default_error_messages = {"invalid": "It is true or false."}

    def to_internal_value(self, data: object) -> bool:
        """Return the truth."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data

    def to_representation(self, value: bool) -> bool:  # noqa: FBT001 - DRF's signature
        return value


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}]})
class Identifier(IdField):
    """An id, as a text or a whole number; stored as it came."""

    default_error_messages = {"invalid": "An id is a whole number, or a text of 1 to 256 characters."}

    def to_internal_value(self, data: object) -> str | int:
        """Return the id."""
        known = values.identifier(data) if isinstance(data, str | int) else None
        if known is None or not known.isprintable() or not isinstance(data, str | int):
            self.fail("invalid")
        return data

    def to_representation(self, value: str | int) -> str | int:
        return value


@extend_schema_field({"type": "object", "additionalProperties": True})
class FreeObject(ObjectField):
    """An object of any members, as deep as clients and databases take it."""

    default_error_messages = {"invalid": "An object is needed."}

    def to_internal_value(self, data: object) -> dict[str, Any]:  # Any: JSON
        """Return the object."""
        if not isinstance(data, dict):
            self.fail("invalid")
        try:
            check_json(data)
        except Broken as broken:
            raise serializers.ValidationError(f"It {broken}.") from None
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
        return value
