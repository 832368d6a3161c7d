"""The AsyncAPI document: valid by the published schema, complete, and its references lead somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.conf import settings

from cache_streams.protocol.close_codes import CLOSES, Family
from cache_streams.protocol.native.asyncapi import document, message_names
from cache_streams.protocol.native.errors import ERRORS
from cache_streams.protocol.native.requests import OPERATIONS
from cache_streams.streams import REGISTRY

DOCUMENT = document()
PUBLISHED = (
    Path(settings.BASE_DIR) / "tests/schemas/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
)


def references(value: Any) -> Iterator[str]:  # Any: a part of the document
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


@pytest.fixture(scope="module")
def published() -> jsonschema.Draft7Validator:
    """AsyncAPI's own schema of its documents, from npm."""
    assert PUBLISHED.exists(), "the published schemas are not installed: run `make install`"
    return jsonschema.Draft7Validator(json.loads(PUBLISHED.read_text(encoding="utf-8")))


def test_it_is_what_the_published_schema_says(published: jsonschema.Draft7Validator) -> None:
    faults = [
        f"{'/'.join(map(str, fault.path))}: {fault.message[:200]}"
        for fault in published.iter_errors(DOCUMENT)
    ]
    assert not faults, "\n".join(faults)


def test_the_published_schema_notices_a_fault(published: jsonschema.Draft7Validator) -> None:
    operations = {**DOCUMENT["operations"], "tell": {**DOCUMENT["operations"]["tell"], "action": "shout"}}
    assert not published.is_valid({**DOCUMENT, "operations": operations})


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT  # Any: a part of the document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_every_operation_is_received_and_answered_once() -> None:
    operations = DOCUMENT["operations"]
    assert list(operations) == [*OPERATIONS, "tell"]
    for op in OPERATIONS:
        assert operations[op]["action"] == "receive"
        assert len(operations[op]["reply"]["messages"]) == 2
    assert operations["tell"]["action"] == "send"
    assert len(operations["tell"]["messages"]) == len(message_names()["sent"])


def test_streams_errors_and_closes_are_those_of_the_code() -> None:
    assert [each["name"] for each in DOCUMENT["x-streams"]] == [stream.name for stream in REGISTRY]
    assert [each["code"] for each in DOCUMENT["x-errors"]] == [error.code for error in ERRORS]
    told = [(each["code"], each["reason"]) for each in DOCUMENT["x-closes"]]
    assert told == [(close.code, close.reason) for close in CLOSES if Family.NATIVE in close.families]
    assert DOCUMENT["x-limits"]["interval_ms"] == [50, 60_000]


def test_acknowledgements_are_found_by_the_id_of_their_request() -> None:
    messages = DOCUMENT["components"]["messages"]
    assert messages["SubscribeAck"]["correlationId"] == {"location": "$message.payload#/id"}
    assert "correlationId" not in messages["Welcome"]
    assert messages["PingRequest"]["summary"] == "Ask for a sign of life."


def test_it_names_no_host_and_no_token() -> None:
    assert DOCUMENT["servers"]["gateway"]["host"] == "{host}"
    assert "eyJ" not in json.dumps(DOCUMENT)
