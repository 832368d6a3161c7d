"""The examples of the documents are what the schemas say, and what the server itself reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema
import msgspec
import pytest

from cache_streams.protocol.native import frames, requests
from cache_streams.protocol.native.asyncapi import message_names
from cache_streams.protocol.native.examples import EXAMPLES
from cache_streams.protocol.native.keys import read_patterns
from cache_streams.protocol.native.schemas import named_schemas, reference, request_name
from cache_streams.streams import by_name

SCHEMAS = named_schemas()
CASES = [(name, example) for name, examples in EXAMPLES.items() for example in examples]
FORMS: list[type[msgspec.Struct]] = [*frames.FRAMES, *frames.ACKS.values(), frames.ErrorAck]
TYPES = {form.__name__: form for form in FORMS}


@pytest.mark.parametrize(("name", "example"), CASES, ids=[name for name, _ in CASES])
def test_each_example_is_what_its_schema_says(name: str, example: Mapping[str, Any]) -> None:  # Any: JSON
    jsonschema.Draft7Validator({**reference(name), "components": {"schemas": SCHEMAS}}).validate(example)


@pytest.mark.parametrize(("name", "example"), CASES, ids=[name for name, _ in CASES])
def test_each_example_is_read_by_the_servers_own_type(
    name: str, example: Mapping[str, Any]
) -> None:  # Any: JSON
    if name in TYPES:
        msgspec.json.decode(msgspec.json.encode(example), type=TYPES[name])
    elif name.endswith("Request"):
        head = requests.head_of(example)
        requests.read(requests.OPERATIONS[head.op], head.given)
        if "stream" in example and head.op != "partitions":
            assert read_patterns(by_name[example["stream"]], head.given, 10)


def test_every_request_has_an_example() -> None:
    assert {request_name(op) for op in requests.OPERATIONS} <= EXAMPLES.keys()
    assert EXAMPLES.keys() <= {name for group in message_names().values() for name in group}
