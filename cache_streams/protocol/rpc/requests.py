"""From a client's frame to a request: discriminator, request id, parameters, and what is refused with which code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeGuard
from uuid import uuid4

import msgspec

from cache_streams.protocol.rpc.actions import (
    BASE_IMPLEMENTED,
    BASE_OPERATIONS,
    Action,
    find_action,
    read_query,
)
from cache_streams.protocol.rpc.params import InvalidParams
from cache_streams.protocol.rpc.queries import Query
from cache_streams.protocol.strict_json import Json, NotStrict, decode

REQUEST_ID_BYTES_LIMIT = 4_096
"""A stream repeats its request id in every update, so a long one would be paid for again and again."""


class Refused(Exception):
    """A request that is answered with an error frame; the socket stays open.

    ``requested`` is the name the client used, None when it named nothing known. ``base``: in the base endpoint's shape.
    """

    def __init__(
        self,
        code: str,
        text: str,
        request_id: Json = None,
        requested: str | None = None,
        *,
        base: bool = False,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.request_id = request_id
        self.requested = requested
        self.base = base


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``requested`` is the name the client used, and so the one to answer with; ``request_id`` is echoed
    as it came. ``base``: queries are answered in the base endpoint's envelope.
    """

    action: Action
    requested: str
    request_id: Json
    params: Mapping[str, Json]
    base: bool = False

    def query(self) -> Query:
        """Return what is asked for. Raises: Refused."""
        try:
            return read_query(self.action, self.params)
        except InvalidParams as exc:
            raise Refused(
                "INVALID_PARAMS", str(exc), self.request_id, self.requested, base=self.base
            ) from exc


def parse_domain(frame: str | bytes, domain: str | None = None) -> Request:
    """Read a frame of a domain endpoint, or one with ``action`` on the base endpoint (``domain`` None: all of them).

    Raises: Refused.
    """
    return _domain_request(_object(frame), domain)


def parse_base(
    frame: str | bytes, *, base_dispatch: bool = False, fresh_id: Callable[[], str] = lambda: str(uuid4())
) -> Request:
    """Read a frame of the base endpoint. ``fresh_id`` names a request that has no id; ``base_dispatch`` serves
    every action under ``operation``, not only ``ping`` and ``health_check``.

    Raises: Refused.
    """
    try:
        given = _object(frame)
    except Refused as refused:
        refused.base = True
        raise
    if "action" in given and "operation" not in given:
        return _domain_request(given, None)
    return _base_request(given, fresh_id, serve_all=base_dispatch)


def _object(frame: str | bytes) -> dict[str, Json]:
    try:
        given = decode(frame)
    except NotStrict as exc:
        raise Refused("MALFORMED_MESSAGE", f"Malformed JSON: {exc}") from exc
    if not isinstance(given, dict):
        raise Refused("MALFORMED_MESSAGE", "Malformed JSON: the frame must be one object")
    return given


def _domain_request(given: Mapping[str, Json], domain: str | None) -> Request:
    request_id = given.get("request_id")
    if not _short(request_id):
        raise Refused("INVALID_OPERATION", _ID_RULE)
    requested = given["action"] if "action" in given else given.get("operation")
    if not isinstance(requested, str):
        raise Refused(
            "INVALID_OPERATION", "action: a text is required; nothing else is implemented", request_id
        )
    params = given.get("params")
    action = find_action(requested, params if isinstance(params, dict) else {})
    if action is None or (domain is not None and action.domain not in (None, domain)):
        raise Refused("INVALID_OPERATION", f"Operation {requested[:64]!r} not implemented", request_id)
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise Refused("INVALID_PARAMS", "params: must be an object", request_id, requested)
    return Request(action, requested, request_id, params)


def _base_request(given: Mapping[str, Json], fresh_id: Callable[[], str], *, serve_all: bool) -> Request:
    request_id = given.get("request_id") if _is_base_id(given.get("request_id")) else None

    def refused(text: str) -> Refused:
        return Refused("INVALID_OPERATION", text, request_id, base=True)

    requested = given.get("operation")
    if not isinstance(requested, str):
        raise refused("operation: a text is required")
    params = given.get("params", {})
    action = find_action(requested, params if isinstance(params, dict) else {})
    if action is None or not (serve_all or requested in BASE_OPERATIONS):
        raise refused(
            f"Invalid FastAPI WebSocket operation: {requested[:64]!r} is not one of this endpoint's"
        )
    if "request_id" in given and request_id is None:
        raise refused(f"request_id: must be a text or a number. {_ID_RULE}")
    if not isinstance(params, dict):
        raise refused("params: must be an object")
    if not _is_number(given.get("timestamp", 0)):
        raise refused("timestamp: must be a number")
    if request_id is None:
        request_id = fresh_id()
    if not serve_all and requested not in BASE_IMPLEMENTED:
        raise refused(
            f"Operation {requested} is not implemented here; send it to its own endpoint, or as action"
        )
    return Request(action, requested, request_id, params, base=True)


def _short(request_id: Json) -> bool:
    return len(msgspec.json.encode(request_id)) <= REQUEST_ID_BYTES_LIMIT


def _is_base_id(value: Json) -> TypeGuard[str | int | float]:
    return (isinstance(value, str) or _is_number(value)) and _short(value)


def _is_number(value: Json) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


_ID_RULE = f"request_id: must be at most {REQUEST_ID_BYTES_LIMIT} bytes of JSON"
