"""The frames of the RPC family as bytes: five shapes on the domain endpoints, two on the base endpoint."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cache_streams.protocol.rpc.requests import Refused, Request
from cache_streams.protocol.strict_json import Json

_encode = msgspec.json.encode


def success(request: Request, result: Mapping[str, Json]) -> bytes:
    """Shape 1: the answer to a query."""
    return _encode(
        {"request_id": request.request_id, "action": request.requested, "success": True, "result": result}
    )


def not_found(request: Request, text: str) -> bytes:
    """Shape 2: what a query asked for is not stored; the code is the action's own."""
    return _encode(
        {
            "request_id": request.request_id,
            "action": request.requested,
            "success": False,
            "error_code": request.action.not_found,
            "error": text,
        }
    )


def failure(code: str, text: str, request_id: Json = None, requested: str | None = None) -> bytes:
    """Shape 3: any other error, with the action when it is known."""
    known = {} if requested is None else {"action": requested}
    return _encode({"request_id": request_id, **known, "success": False, "error_code": code, "error": text})


def confirmation(request: Request, stream_key: str) -> bytes:
    """Shape 4: a stream begins."""
    return _encode(
        {
            "request_id": request.request_id,
            "action": request.requested,
            "success": True,
            "message": f"{request.requested}: updates follow until the socket closes",
            "stream_key": stream_key,
        }
    )


def update_prefix(request: Request, stream_key: str) -> bytes:
    """Shape 5, the part of one subscription: prefix + ``update_body(…)`` is a whole frame."""
    head = {
        "request_id": request.request_id,
        "action": request.action.update,
        "result": {"stream_key": stream_key},
    }
    return _encode(head)[: -len(_END)]


def update_body(rest: Mapping[str, Json]) -> bytes:
    """Shape 5, the part that all subscriptions share: ``rest`` is the result without its ``stream_key``."""
    return b"".join((b",", _encode(rest)[1:-1], _END)) if rest else _END


def stream_key(connection_id: str, request_id: Json, unique: str) -> str:
    """Return the name of a stream, ``c1:s1``; ``unique`` stands in for a request id that is absent."""
    if request_id is None:
        return f"{connection_id}:{unique}"
    return f"{connection_id}:{request_id if isinstance(request_id, str) else _encode(request_id).decode()}"


def base_success(request_id: Json, result: Mapping[str, Json], timestamp: float, latency_ms: float) -> bytes:
    """The base endpoint's answer. ``timestamp`` in Unix seconds; ``latency_ms`` since the frame was read."""
    return _encode(
        {
            "request_id": request_id,
            "success": True,
            "result": result,
            "error": None,
            "error_code": None,
            "timestamp": timestamp,
            "latency_ms": max(latency_ms, 0.0),
        }
    )


def base_error(code: str, text: str, request_id: Json, timestamp: float) -> bytes:
    """The base endpoint's error. ``timestamp`` in Unix seconds."""
    return _encode(
        {
            "request_id": request_id,
            "success": False,
            "error": text,
            "error_code": code,
            "timestamp": timestamp,
            "details": None,
        }
    )


def refusal(refused: Refused, timestamp: float) -> bytes:
    """The error frame of a refused request, in the shape of the endpoint it was sent to."""
    if refused.base:
        return base_error(refused.code, refused.text, refused.request_id, timestamp)
    return failure(refused.code, refused.text, refused.request_id, refused.requested)


_END = b"}}"
