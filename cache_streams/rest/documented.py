"""The views of a stream with what OpenAPI says of them, both from its declaration."""

from __future__ import annotations

from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from accounts.openapi import refusal
from cache_streams.protocol.native.keys import request_fields
from cache_streams.rest.market_answers import BODIES
from cache_streams.rest.publish.shapes import ENTRIES, Published, batch
from cache_streams.rest.publish.views import PublishView
from cache_streams.rest.queries import (
    AFTER,
    AFTER_CHARACTERS_MAX,
    ELEMENTS_DEFAULT,
    ELEMENTS_MAX,
    FILTER_CHARACTERS_MAX,
    KEYS_DEFAULT,
    KEYS_MAX,
    LIMIT,
    filters_of,
)
from cache_streams.rest.snapshots import KeyView, ListView
from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import Kind, Stream

Json = dict[str, Any]  # Any: a JSON Schema

_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_NUMBER_OF_CHANGES: Json = {
    "type": "integer",
    "minimum": 0,
    "description": "Rises by one per change of the key.",
}
_UNCHANGED = OpenApiResponse(description="As the client has it: If-None-Match named the answer's ETag.")
_TAG = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="ETag of an earlier answer."
)


def key_view(stream: Stream) -> type[KeyView]:
    """Return the view of one key of ``stream``."""
    shape = _object(
        {
            "stream": {"const": stream.name},
            "key": {"type": "string"},
            "seq": _NUMBER_OF_CHANGES,
            "cursor": _TEXT_OR_NULL,
            "live": {"type": "boolean", "description": "A relay is reading the cache now."},
            "next": _TEXT_OR_NULL,
            "data": _state(stream),
        }
    )
    schema = extend_schema(
        operation_id=f"cache_{stream.name}_get",
        summary=f"One key of {stream.name}, as it is now",
        tags=["cache"],
        parameters=[*_fields(stream, len(stream.key_fields)), *_query(stream, listing=False)],
        responses={200: shape, 304: _UNCHANGED},
    )
    view = type(f"{stream.name.title()}KeyView", (KeyView,), {"stream": stream})
    return extend_schema_view(get=schema)(view)


def list_view(stream: Stream, depth: int) -> type[ListView]:
    """Return the view of the keys of ``stream`` whose first ``depth`` fields stand in the path."""
    listed = _object(
        {
            "key": {"type": "string"},
            "seq": _NUMBER_OF_CHANGES,
            "cursor": _TEXT_OR_NULL,
            "more": {"type": "boolean", "description": "The key itself tells a longer list."},
            "data": _state(stream),
        }
    )
    shape = _object(
        {
            "stream": {"const": stream.name},
            "live": {"type": "boolean", "description": "A relay is reading the cache now."},
            "count": {"type": "integer", "minimum": 0, "maximum": KEYS_MAX},
            "next": _TEXT_OR_NULL,
            "results": {"type": "array", "items": listed},
        }
    )
    named = "_by_".join(["", *request_fields(stream)[:depth]]) if depth else ""
    schema = extend_schema(
        operation_id=f"cache_{stream.name}_list{named}",
        summary=f"Keys of {stream.name} that the caller may see, as they are now",
        tags=["cache"],
        parameters=[*_fields(stream, depth), *_query(stream, listing=True)],
        responses={200: shape, 304: _UNCHANGED},
    )
    name = f"{stream.name.title()}List{depth}View"
    if depth or stream.name not in ENTRIES:
        return extend_schema_view(get=schema)(type(name, (ListView,), {"stream": stream}))
    return extend_schema_view(get=schema)(_published(stream, name))


def _published(stream: Stream, name: str) -> type[ListView]:
    """Return the view that lists all keys of ``stream`` and lets producers write them."""
    shape = batch(stream.name)
    schema = extend_schema(
        operation_id=f"cache_{stream.name}_publish",
        summary=f"Publish into {stream.name}, in the format of the cache: all entries, or none",
        tags=["publish"],
        request=shape,
        responses={200: Published, 409: refusal("The cache holds something of another type there.")},
    )
    view = type(name, (PublishView, ListView), {"stream": stream, "batch": shape})
    return extend_schema_view(post=schema)(view)


def add_payloads(result: Json, **rest: object) -> Json:
    """Put the canonical objects of every stream, and what is told of markets, among the document's components."""
    _payloads, found = msgspec.json.schema_components(
        [*(stream.payload for stream in REGISTRY), *BODIES], ref_template="#/components/schemas/{name}"
    )
    result.setdefault("components", {}).setdefault("schemas", {}).update(found)
    return result


def _state(stream: Stream) -> Json:
    payload = {"$ref": f"#/components/schemas/{stream.payload.__name__}"}
    return payload if stream.kind is Kind.VALUE else {"type": "array", "items": payload}


def _object(members: Json) -> Json:
    return {"type": "object", "properties": members, "required": list(members)}


def _fields(stream: Stream, depth: int) -> list[OpenApiParameter]:
    return [
        OpenApiParameter(field, {"type": "string", "minLength": 1}, OpenApiParameter.PATH)
        for field in request_fields(stream)[:depth]
    ]


def _query(stream: Stream, *, listing: bool) -> list[OpenApiParameter]:
    what, most, default = (
        ("keys", KEYS_MAX, KEYS_DEFAULT)
        if listing
        else ("elements of the key", ELEMENTS_MAX, ELEMENTS_DEFAULT)
    )
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    after = {"type": "string", "minLength": 1, "maxLength": AFTER_CHARACTERS_MAX}
    path = set(request_fields(stream)) if not listing else set()
    return [
        _TAG,
        OpenApiParameter(LIMIT, limit, description=f"How many {what} are looked at."),
        OpenApiParameter(AFTER, after, description="What the answer before called next."),
        *(
            OpenApiParameter(name, _filter(kind), description=f"Only objects whose {name} is this.")
            for name, kind in filters_of(stream).items()
            if name not in path
        ),
    ]


def _filter(kind: type) -> Json:
    return {"type": "boolean"} if kind is bool else {"type": "string", "maxLength": FILTER_CHARACTERS_MAX}
