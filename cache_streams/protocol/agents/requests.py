"""What a client of the agents family may send: a request by ``action``, or a message by ``type``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cache_streams.protocol.strict_json import Json, NotStrict, decode

EVENTS = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed")
RUN_TYPES = ("agent_request", "start_agent", "user_message", "chat", "chat_message")
"""Types of a message that asks for an agent."""
ACTIONS = (
    "ping",
    "reauthenticate",
    "subscribe",
    "unsubscribe",
    "ack",
    "list_runs",
    "get_events",
    "start_run",
    "publish",
    "cancel_run",
    "run_agent",
)
REQUEST_ID_CHARACTERS = 64
BAD_IN_A_ROW_LIMIT = 20
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TEXT_MEMBERS = ("text", "message", "content", "user_request", "query", "task")
"""Where messages that ask for an agent say what for, in themselves or in ``payload``."""


class BadFrame(Exception):
    """A frame that cannot be answered as asked; ``request_id`` as far as it could be read."""

    def __init__(
        self, code: str, text: str, request_id: str | None = None, action: str | None = None
    ) -> None:
        super().__init__(text)
        self.code, self.text, self.request_id, self.action = code, text, request_id, action


@dataclass(frozen=True, slots=True)
class Request:
    """What a frame asks. ``action`` is one of ACTIONS, or ``heartbeat`` or ``noise`` for a type without an answer of its own.

    ``told_type`` is the type of a frame that had one instead of an action.
    """

    action: str
    params: Mapping[str, Json]
    request_id: str | None = None
    told_type: str | None = None


def read_frame(frame: str) -> Request:
    """Return what a text frame asks. Raises: BadFrame."""
    try:
        body = decode(frame)
    except NotStrict as fault:
        raise BadFrame("MALFORMED_MESSAGE", str(fault)) from None
    if not isinstance(body, dict):
        raise BadFrame("MALFORMED_MESSAGE", "the frame must hold an object")
    request_id = body.get("request_id")
    if request_id is not None and not (
        isinstance(request_id, str) and len(request_id) <= REQUEST_ID_CHARACTERS
    ):
        raise BadFrame(
            "INVALID_PARAMS", f"request_id must be a text of up to {REQUEST_ID_CHARACTERS} characters"
        )
    if "action" in body:
        return _read_action(body, request_id)
    told = body.get("type")
    if not isinstance(told, str):
        raise BadFrame("MALFORMED_MESSAGE", "the frame needs action or type, a text", request_id)
    return _read_type(body, told, request_id)


def _read_action(body: Mapping[str, Json], request_id: str | None) -> Request:
    action, params = body["action"], body.get("params")
    if not isinstance(action, str) or action not in ACTIONS:
        raise BadFrame("INVALID_OPERATION", f"action must be one of {', '.join(ACTIONS)}", request_id)
    if params is not None and not isinstance(params, dict):
        raise BadFrame("INVALID_PARAMS", "params must be an object", request_id, action)
    if action == "ping" and params is None:
        params = {"timestamp": body.get("timestamp", body.get("id"))}
    return Request(action, params or {}, request_id)


def _read_type(body: Mapping[str, Json], told: str, request_id: str | None) -> Request:
    rest = {name: value for name, value in body.items() if name != "request_id"}
    if told in EVENTS:
        return Request("publish", {"run_id": body.get("run_id"), "event": rest}, request_id, told)
    if told in RUN_TYPES:
        return Request("run_agent", rest, request_id, told)
    if told == "ping":
        return Request("ping", {"timestamp": body.get("timestamp", body.get("id"))}, request_id, told)
    return Request("heartbeat" if told == "heartbeat" else "noise", rest, request_id, told)


def asked_text(params: Mapping[str, Json]) -> str:
    """Return what a message that asks for an agent is about. Raises: BadFrame."""
    payload = params.get("payload")
    for place in (params, payload if isinstance(payload, dict) else {}):
        for name in _TEXT_MEMBERS:
            if isinstance(place.get(name), str) and place[name].strip():
                return str(place[name])
    raise BadFrame("INVALID_PARAMS", f"one of {', '.join(_TEXT_MEMBERS)} must say what is wanted")


def text_param(params: Mapping[str, Json], name: str) -> str | None:
    """Return a parameter that is a text, None without it. Raises: BadFrame."""
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise BadFrame("INVALID_PARAMS", f"{name} must be a text")
    return value


def as_query(params: Mapping[str, Json]) -> dict[str, str]:
    """Return parameters as the query string of the same request over HTTP has them. Raises: BadFrame."""
    query = {}
    for name, value in params.items():
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise BadFrame("INVALID_PARAMS", f"{name} must be a text or a whole number")
        if value is not None:
            query[name] = str(value)
    return query
