"""The document in words: nothing left out, and no word of JSON Schema in it."""

from __future__ import annotations

from typing import Any

import pytest

from cache_streams.protocol.native import tables
from cache_streams.protocol.native.asyncapi import document
from cache_streams.protocol.native.errors import ERRORS
from cache_streams.protocol.native.requests import OPERATIONS
from cache_streams.streams import REGISTRY

DOCUMENT = document()
ALL = [
    tables.requests_table, tables.frames_table, tables.parts_table, tables.streams_table,
    tables.objects_table, tables.errors_table, tables.closes_table, tables.limits_table,
]  # fmt: skip


@pytest.mark.parametrize("table", ALL)
def test_each_row_has_a_cell_under_each_head(table: Any) -> None:  # Any: the functions above
    made = table(DOCUMENT)
    assert made.rows
    assert all(len(row) == len(made.head) for row in made.rows)
    assert all(cell.count("`") % 2 == 0 for row in made.rows for cell in row)


def first_cells(table: tables.Table) -> list[str]:
    return [row[0].strip("`") for row in table.rows]


def test_every_operation_stream_and_code_has_its_row() -> None:
    assert first_cells(tables.requests_table(DOCUMENT)) == list(OPERATIONS)
    assert first_cells(tables.streams_table(DOCUMENT)) == [stream.name for stream in REGISTRY]
    assert first_cells(tables.objects_table(DOCUMENT)) == [stream.name for stream in REGISTRY]
    assert first_cells(tables.errors_table(DOCUMENT)) == [error.code for error in ERRORS]
    kinds = set(first_cells(tables.frames_table(DOCUMENT)))
    assert kinds == {"welcome", "heartbeat", "status", "token_expiring", "error", "snapshot", "update", "ack"}


def test_every_object_that_a_frame_holds_is_explained() -> None:
    named = {*first_cells(tables.parts_table(DOCUMENT)), *(stream.payload.__name__ for stream in REGISTRY)}
    for table in (tables.requests_table, tables.frames_table, tables.parts_table, tables.objects_table):
        for row in table(DOCUMENT).rows:
            used = {word for word in row[-1].split("`")[1::2] if word[0].isupper()}
            assert used <= named


def test_requests_name_their_own_fields_and_say_where_keys_come_in() -> None:
    rows = {row[0].strip("`"): row for row in tables.requests_table(DOCUMENT).rows}
    assert rows["subscribe"][2].startswith("`stream`; `mode`?: ")
    assert rows["subscribe"][2].endswith("the key fields of the stream")
    assert rows["partitions"][2] == "`stream`"
    assert rows["ping"][2:] == ("", "")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "any JSON"),
        ({"$ref": "#/components/schemas/Bar"}, "`Bar`"),
        ({"enum": ["live", True]}, "`live` or `true`"),
        ({"anyOf": [{"type": "number"}, {"type": "number"}, {"type": "null"}]}, "number or null"),
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"type": "array", "items": [{"type": "number"}, {"type": "null"}]}, "[number, null]"),
        ({"type": "array"}, "list of any JSON"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "object of true or false"),
        ({"type": "object"}, "object"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer 1 to 9"),
        ({"type": "integer", "minimum": 1}, "integer"),
        ({"type": "integer", "minimum": 1, "maximum": 2**63}, "integer"),
    ],
)
def test_a_value_is_told_in_words(schema: dict[str, Any], words: str) -> None:  # Any: JSON Schema
    assert tables.in_words(schema) == words
