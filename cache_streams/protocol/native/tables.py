"""The AsyncAPI document as tables for people: what a field is in words; texts mark code with backticks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cache_streams.protocol.native.asyncapi import message_names
from cache_streams.protocol.native.schemas import REFERENCE

Document: TypeAlias = Mapping[str, Any]  # Any: an AsyncAPI document
Row: TypeAlias = tuple[str, ...]

_WORDS = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what stands above each column, and the rows."""

    head: Row
    rows: tuple[Row, ...]


def requests_table(document: Document) -> Table:
    """Return each operation: what it does, its own fields, and what its answer adds."""
    schemas = document["components"]["schemas"]
    common = set(schemas["PingAck"]["properties"])
    rows = []
    for op, operation in document["operations"].items():
        if operation["action"] != "receive":
            continue
        asked, answered = (
            _last(each["$ref"]) for each in (operation["messages"][0], operation["reply"]["messages"][0])
        )
        keys = {field for stream in document["x-streams"] for field in stream["fields"]}
        asks = _fields(schemas[asked], without={"op", "id", "stream", *keys})
        if "stream" in schemas[asked]["properties"]:
            asks = "; ".join(part for part in ("`stream`", asks) if part)
        if keys & schemas[asked]["properties"].keys():
            asks += "; the key fields of the stream"
        rows.append((f"`{op}`", operation["summary"], asks, _fields(schemas[answered], without=common)))
    return Table(("op", "what it does", "fields", "the acknowledgement adds"), tuple(rows))


def frames_table(document: Document) -> Table:
    """Return each kind of frame that the server sends, with its fields; snapshots and updates once for all streams."""
    schemas = document["components"]["schemas"]
    names = message_names()
    told = [name for name in names["sent"] if not name.endswith(("Snapshot", "Update"))]
    first = document["x-streams"][0]["name"].capitalize()
    shown = [*told, f"{first}Snapshot", f"{first}Update", "PingAck", "ErrorAck"]
    rows = []
    for name in shown:
        schema = schemas[name]
        kind = schema["properties"]["type"]["enum"][0]
        generic = {"stream", "data"} if name.startswith(first) else set()
        fields = _fields(schema, without={"type", *generic})
        if generic:
            fields = f"`stream`: text; {fields}; `data`: what the stream holds"
        rows.append((f"`{kind}`", schema["description"], fields))
    return Table(("type", "what it says", "fields"), tuple(rows))


def parts_table(document: Document) -> Table:
    """Return the objects that stand inside frames."""
    schemas = document["components"]["schemas"]
    streams = {stream["payload"] for stream in document["x-streams"]}
    frames = {name for group in message_names().values() for name in group}
    rows = [
        (f"`{name}`", schema["description"], _fields(schema))
        for name, schema in schemas.items()
        if name not in streams | frames
    ]
    return Table(("object", "what it says", "fields"), tuple(rows))


def streams_table(document: Document) -> Table:
    """Return how each stream is asked for and told."""
    rows = []
    for stream in document["x-streams"]:
        fields = [
            f"`{field}`{' (optional)' if field in stream['optional'] else ''}{', may be `*`' if field == stream['open'] else ''}"
            for field in stream["fields"]
        ]
        if stream["parts"]:
            fields.append(f"of it {' or '.join(f'`{name}`' for name in stream['parts'])}")
        modes = ", ".join(f"`{mode}`" for mode in stream["modes"])
        rows.append((
            f"`{stream['name']}`", "; ".join(fields), stream["kind"], f"`{stream['mode']}`", modes, stream["audience"].replace("_", " "),
        ))  # fmt: skip
    return Table(("stream", "key fields", "kind", "mode by default", "modes", "who may read"), tuple(rows))


def objects_table(document: Document) -> Table:
    """Return the canonical object of each stream."""
    schemas = document["components"]["schemas"]
    rows = [
        (
            f"`{stream['name']}`",
            f"`{stream['payload']}`. {schemas[stream['payload']]['description']}",
            _fields(schemas[stream["payload"]]),
        )
        for stream in document["x-streams"]
    ]
    return Table(("stream", "object", "fields"), tuple(rows))


def errors_table(document: Document) -> Table:
    """Return every error code."""
    rows = (
        (
            f"`{each['code']}`",
            each["meaning"],
            "yes" if each["retryable"] else "no",
            "yes" if each["bad"] else "no",
        )
        for each in document["x-errors"]
    )
    return Table(("code", "meaning", "retryable", "counts as bad"), tuple(rows))


def closes_table(document: Document) -> Table:
    """Return every way in which a socket of this family ends."""
    rows = (
        (str(each["code"]), f"`{each['reason']}`" if each["reason"] else "", each["meaning"], each["advice"])
        for each in document["x-closes"]
    )
    return Table(("code", "reason", "meaning", "reconnect"), tuple(rows))


def limits_table(document: Document) -> Table:
    """Return what holds on every server."""
    rows = (
        (f"`{name}`", " to ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in document["x-limits"].items()
    )
    return Table(("limit", "value"), tuple(rows))


def in_words(schema: Document) -> str:
    """Return what a value is, in words."""
    if "$ref" in schema:
        return f"`{_last(schema['$ref'])}`"
    if "enum" in schema:
        return " or ".join(_literal(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(in_words(each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return _list_in_words(schema)
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {in_words(values)}" if isinstance(values, Mapping) else "object"
    return _WORDS.get(str(schema.get("type")), "any JSON") + _bounds(schema)


def _list_in_words(schema: Document) -> str:
    items = schema.get("items", {})
    if isinstance(items, list):
        return f"[{', '.join(in_words(each) for each in items)}]"
    return f"list of {in_words(items)}"


def _bounds(schema: Document) -> str:
    least, most = (schema.get(name) for name in ("minimum", "maximum"))
    if least is None or most is None or most > 2**53:
        return ""
    return f" {least} to {most}"


def _literal(value: object) -> str:
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def _fields(schema: Document, without: Iterable[str] = ()) -> str:
    required, left_out = set(schema.get("required", ())), set(without)
    return "; ".join(
        f"`{name}`{'' if name in required else '?'}: {in_words(kind)}"
        for name, kind in schema["properties"].items()
        if name not in left_out
    )


def _last(reference: str) -> str:
    return reference.removeprefix(REFERENCE).rpartition("/")[2]
