"""The messages of the native family as JSON Schema (draft 7), made from the types that the server itself reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from cache_streams.protocol.native import data_frames, frames, requests
from cache_streams.protocol.native.keys import (
    EVERY,
    NAME_CHARACTERS_LIMIT,
    open_field,
    optional_fields,
    request_fields,
)
from cache_streams.protocol.native.parts import part_fields
from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import Kind, Stream

Schema: TypeAlias = dict[str, Any]  # Any: JSON Schema, which is open by nature

REFERENCE = "#/components/schemas/"
_PLACES = ("snapshot", "update")


def reference(name: str) -> Schema:
    """Return what stands for a named schema."""
    return {"$ref": REFERENCE + name}


def named_schemas() -> dict[str, Schema]:
    """Return every schema by name: frames, requests, and of each stream its object, its snapshot and its update."""
    found = _of_types(
        [*frames.FRAMES, *frames.ACKS.values(), frames.ErrorAck, *(each.payload for each in REGISTRY)]
    )
    for op, ack in frames.ACKS.items():
        found[ack.__name__]["properties"]["op"] = {"enum": [op]}
    found |= {request_name(op): _request(op) for op in requests.OPERATIONS}
    found |= _parts_of_requests()
    found |= _of_types([data_frames.Deleted])
    for stream in REGISTRY:
        found[snapshot_name(stream)] = _data_frame(data_frames.SnapshotFrame, stream, state_schema(stream))
        found[update_name(stream)] = _data_frame(data_frames.UpdateFrame, stream, change_schema(stream))
    return found


def request_name(op: str) -> str:
    """Return what the schema of a request is called."""
    return f"{requests.OPERATIONS[op].__name__}Request"


def snapshot_name(stream: Stream) -> str:
    """Return what the schema of a stream's snapshot frame is called."""
    return f"{stream.name.capitalize()}Snapshot"


def update_name(stream: Stream) -> str:
    """Return what the schema of a stream's update frame is called."""
    return f"{stream.name.capitalize()}Update"


def state_schema(stream: Stream) -> Schema:
    """Return what the ``data`` of a snapshot is."""
    one = reference(stream.payload.__name__)
    held = one if stream.kind is Kind.VALUE else {"type": "array", "items": one}
    return {"anyOf": [held, {"type": "null"}]}


def change_schema(stream: Stream) -> Schema:
    """Return what the ``data`` of an update is."""
    one = reference(stream.payload.__name__)
    if stream.kind is Kind.VALUE:
        return {"anyOf": [one, {"type": "null"}]}
    return {"anyOf": [reference("Deleted"), one]} if stream.kind is Kind.COLLECTION else one


def _of_types(types: Iterable[type[msgspec.Struct]]) -> dict[str, Schema]:
    """Return the schemas of what the server sends, and of what they hold. It always sends what has a default."""
    _, found = msgspec.json.schema_components(types, ref_template=REFERENCE + "{name}")
    schemas: dict[str, Schema] = {name: _draft_7(schema) for name, schema in found.items()}
    for schema in schemas.values():
        properties: Schema = schema["properties"]
        required = set(schema.get("required", ()))
        schema["required"] = [
            name for name, kind in properties.items() if name in required or "default" in kind
        ]
        for kind in properties.values():
            kind.pop("default", None)
    return schemas


def _data_frame(form: type[msgspec.Struct], stream: Stream, inner: Schema) -> Schema:
    schema = _of_types([form])[form.__name__]
    kind = schema["properties"]["type"]["enum"][0]
    name = snapshot_name(stream) if kind == "snapshot" else update_name(stream)
    return {
        **schema,
        "title": name,
        "properties": {**schema["properties"], "stream": {"enum": [stream.name]}, "data": inner},
    }


def _request(op: str) -> Schema:
    """Return what a client sends: ``op``, ``id``, the operation's own fields, and those of the stream's keys."""
    form = requests.OPERATIONS[op]
    _, found = msgspec.json.schema_components([form], ref_template=REFERENCE + "{name}")
    schema: Schema = _draft_7(found[form.__name__])
    properties: Schema = {"op": {"enum": [op]}, "id": _draft_7(msgspec.json.schema(requests.RequestId))}
    properties |= schema["properties"]
    schema |= {
        "title": request_name(op),
        "properties": properties,
        "required": ["op", *schema.get("required", ())],
    }
    if "stream" in properties:
        properties["stream"] = {"enum": [stream.name for stream in REGISTRY]}
    if op in ("subscribe", "unsubscribe", "snapshot"):
        names = dict.fromkeys(
            field for stream in REGISTRY for field in (*request_fields(stream), *part_fields(stream))
        )
        properties |= {name: {"anyOf": _names()} for name in names}
        schema["allOf"] = [_keys_of(stream) for stream in REGISTRY]
    return schema


def _parts_of_requests() -> dict[str, Schema]:
    """Return the schemas of the objects that stand inside requests."""
    forms = list(requests.OPERATIONS.values())
    _, found = msgspec.json.schema_components(forms, ref_template=REFERENCE + "{name}")
    whole = {form.__name__ for form in forms}
    return {name: _draft_7(schema) for name, schema in found.items() if name not in whole}


def _keys_of(stream: Stream) -> Schema:
    """Return which key fields a request about a stream needs, and where ``"*"`` may stand."""
    optional = optional_fields(stream)
    closed = [name for name in request_fields(stream) if name != open_field(stream)]
    needs: Schema = {"required": [name for name in request_fields(stream) if name not in optional]}
    if len(part_fields(stream)) > 1:
        needs["not"] = {"required": list(part_fields(stream))}
    if closed:
        needs["properties"] = {name: {"not": {"enum": [EVERY]}} for name in closed}
    return {"if": {"properties": {"stream": {"enum": [stream.name]}}, "required": ["stream"]}, "then": needs}


def _names() -> list[Schema]:
    one: Schema = {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS_LIMIT}
    return [one, {"type": "array", "items": one, "minItems": 1}]


def _draft_7(value: Any) -> Any:  # Any: a schema, or a part of one
    """Return a schema of draft 2020-12 as draft 7 spells it, descriptions in Markdown."""
    if isinstance(value, list):
        return [_draft_7(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    spelled = {name: _draft_7(each) for name, each in value.items()}
    if "prefixItems" in spelled:
        spelled["items"], spelled["additionalItems"] = spelled.pop("prefixItems"), False
    if isinstance(spelled.get("description"), str):
        spelled["description"] = " ".join(spelled["description"].replace("``", "`").split())
    return spelled
