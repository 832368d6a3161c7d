"""The native family as one AsyncAPI 3 document: what goes which way on its socket, and what stands behind the codes."""

from __future__ import annotations

from typing import Any

from cache_streams.protocol.close_codes import REASON_BYTES_LIMIT, Family, closes_of
from cache_streams.protocol.native import frames, requests
from cache_streams.protocol.native.errors import BAD_IN_A_ROW_LIMIT, ERRORS
from cache_streams.protocol.native.examples import EXAMPLES
from cache_streams.protocol.native.keys import (
    NAME_CHARACTERS_LIMIT,
    open_field,
    optional_fields,
    request_fields,
)
from cache_streams.protocol.native.parts import part_fields
from cache_streams.protocol.native.schemas import (
    Schema,
    named_schemas,
    reference,
    request_name,
    snapshot_name,
    update_name,
)
from cache_streams.protocol.strict_json import DEPTH_LIMIT
from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Mode

PATH = "/api/v1/stream"
CHANNEL = "stream"
_ERROR_ACK = frames.ErrorAck.__name__
_ABOUT = """\
One socket, many subscriptions. JSON text frames in UTF-8, one object each; the order of fields is free, and both sides ignore \
fields that they do not know. Times are Unix seconds.

Old snapshot + updates = new snapshot. `seq` rises by one per change of a key; `cursor` is opaque, ordered, valid on every worker, and \
what `since` takes. Where the past is gone the server says so: `recovered: false`, and a snapshot follows.

Fields and operations may be added; nothing is removed or changes its meaning within this protocol."""
_NO_SECRETS = "A token in a URL is written into logs by many programs on the way; prefer any other carrier."


def document() -> dict[str, Any]:  # Any: an AsyncAPI document
    """Return the whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Native stream protocol", "version": "1.0.0", "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": {"gateway": _server()},
        "channels": {CHANNEL: _channel()},
        "operations": _operations(),
        "components": {
            "schemas": named_schemas(),
            "messages": _messages(),
            "securitySchemes": _security_schemes(),
        },
        "x-protocol": frames.PROTOCOL,
        "x-streams": streams(),
        "x-errors": errors(),
        "x-closes": closes(),
        "x-limits": limits(),
    }


def message_names() -> dict[str, list[str]]:
    """Return what messages there are, by schema: ``received`` from clients, ``answered`` to them, ``sent`` unasked."""
    data = [name(stream) for stream in REGISTRY for name in (snapshot_name, update_name)]
    return {
        "received": [request_name(op) for op in requests.OPERATIONS],
        "answered": [*(ack.__name__ for ack in frames.ACKS.values()), _ERROR_ACK],
        "sent": [*(frame.__name__ for frame in frames.FRAMES), *data],
    }


def streams() -> list[dict[str, Any]]:  # Any: facts of several types
    """Return how each stream is asked for, told and kept."""
    return [
        {
            "name": stream.name,
            "payload": stream.payload.__name__,
            "kind": stream.kind.value,
            "mode": stream.mode.value,
            "modes": [mode.value for mode in Mode if mode in stream.modes],
            "fields": list(request_fields(stream)),
            "optional": list(optional_fields(stream)),
            "parts": list(part_fields(stream)),
            "open": open_field(stream),
            "partition": stream.partition,
            "audience": stream.audience.value,
        }
        for stream in REGISTRY
    ]


def errors() -> list[dict[str, Any]]:  # Any: as above
    """Return every error code; ``bad`` ones count towards the limit of bad requests in a row."""
    return [
        {"code": each.code, "meaning": each.meaning, "retryable": each.retryable, "bad": each.bad}
        for each in ERRORS
    ]


def closes() -> list[dict[str, Any]]:  # Any: as above
    """Return every way in which a socket of this family ends."""
    return [
        {
            "code": close.code,
            "reason": close.reason,
            "meaning": close.meaning,
            "reconnect": close.reconnect.name.lower(),
            "advice": close.reconnect.value,
        }
        for close in closes_of(Family.NATIVE)
    ]


def limits() -> dict[str, Any]:  # Any: as above
    """Return what holds on every server; what a deployment chooses is told in ``welcome.limits``."""
    return {
        "id_characters": requests.ID_CHARACTERS_LIMIT,
        "name_characters": NAME_CHARACTERS_LIMIT,
        "nesting": DEPTH_LIMIT,
        "interval_ms": [requests.INTERVAL_MS_LEAST, requests.INTERVAL_MS_MOST],
        "interval_ms_default": requests.INTERVAL_MS_DEFAULT,
        "replay_speed": [requests.SPEED_LEAST, requests.SPEED_MOST],
        "history": requests.HISTORY_LIMIT,
        "snapshot_tail": SNAPSHOT_TAIL,
        "bad_requests_in_a_row": BAD_IN_A_ROW_LIMIT,
        "close_reason_bytes": REASON_BYTES_LIMIT,
    }


def _server() -> dict[str, Any]:  # Any: as document()
    return {
        "host": "{host}",
        "protocol": "wss",
        "description": "The gateway; `ws` where it stands on the same machine.",
        "variables": {"host": {"default": "localhost:8000", "description": "Host and port."}},
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _security_schemes()],
    }


def _channel() -> dict[str, Any]:  # Any: as document()
    names = [name for group in message_names().values() for name in group]
    token: Schema = {"type": "string", "description": _NO_SECRETS}
    ticket: Schema = {
        "type": "string",
        "description": "From `POST /api/v1/auth/ticket`: good once, for 30 s.",
    }
    return {
        "address": PATH,
        "title": "The socket",
        "description": f"Offering the subprotocol `{frames.PROTOCOL}` is optional. The first frame is always `welcome`.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {"type": "object", "properties": {"token": token, "ticket": ticket}},
                "bindingVersion": "0.1.0",
            }
        },
    }


def _operations() -> dict[str, Any]:  # Any: as document()
    """Return what the server does: it receives requests and answers each once; the rest it sends unasked."""
    channel = {"$ref": f"#/channels/{CHANNEL}"}
    found: dict[str, Any] = {  # Any: as document()
        op: {
            "action": "receive",
            "channel": channel,
            "summary": _flowing(form.__doc__),
            "messages": [_in_channel(request_name(op))],
            "reply": {
                "channel": channel,
                "messages": [_in_channel(frames.ACKS[op].__name__), _in_channel(_ERROR_ACK)],
            },
        }
        for op, form in requests.OPERATIONS.items()
    }
    sent = [_in_channel(name) for name in message_names()["sent"]]
    return found | {
        "tell": {
            "action": "send",
            "channel": channel,
            "summary": "What comes without being asked for.",
            "messages": sent,
        }
    }


def _messages() -> dict[str, Any]:  # Any: as document()
    schemas = named_schemas()
    made: dict[str, Any] = {}  # Any: as document()
    for names in message_names().values():
        for name in names:
            made[name] = {
                "name": name,
                "title": schemas[name]["title"],
                "summary": _first_sentence(schemas[name]["description"]),
                "contentType": "application/json",
                "payload": reference(name),
            }
            if "id" in schemas[name]["properties"]:
                made[name]["correlationId"] = {"location": "$message.payload#/id"}
            if name in EXAMPLES:
                made[name]["examples"] = [{"payload": example} for example in EXAMPLES[name]]
    return made


def _security_schemes() -> dict[str, Any]:  # Any: as document()
    return {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "apiKey": {"type": "httpApiKey", "name": "X-API-Key", "in": "header"},
        "subprotocol": {
            "type": "httpApiKey",
            "name": "Sec-WebSocket-Protocol",
            "in": "header",
            "description": "An entry `bearer.<token>` beside the protocol's own name.",
        },
        "token": {"type": "httpApiKey", "name": "token", "in": "query", "description": _NO_SECRETS},
        "ticket": {"type": "httpApiKey", "name": "ticket", "in": "query"},
    }


def _in_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{CHANNEL}/messages/{name}"}


def _first_sentence(text: str) -> str:
    return _flowing(text).partition(". ")[0].rstrip(".") + "."


def _flowing(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split())
