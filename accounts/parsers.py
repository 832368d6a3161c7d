"""JSON bodies, read strictly: what two readers could understand in two ways is refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class StrictJSONParser(JSONParser):
    """UTF-8, each member of an object once, finite numbers, whole characters; nesting is bounded by Python's own limit."""

    def parse(
        self,
        stream: IO[Any],  # Any: as the stubs have it
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,  # Any: as above
    ) -> Any:  # Any: JSON of any shape
        """Return what the body holds. Raises ``ParseError``, ``RecursionError``; neither repeats what was sent."""
        try:
            text = stream.read().decode("utf-8")
            value = json.loads(
                text, object_pairs_hook=_members, parse_float=_finite, parse_constant=_no_constant
            )
            if _ESCAPED_SURROGATE.search(text):
                json.dumps(value, ensure_ascii=False).encode()
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except UnicodeEncodeError:
            raise ParseError("A text in the body holds half of a character.") from None
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from None
        return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ParseError("JSON parse error - a member of an object occurs twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ParseError("JSON parse error - a number is too large")
    return number


def _no_constant(_name: str) -> NoReturn:
    raise ParseError("JSON parse error - NaN and Infinity are no JSON")
