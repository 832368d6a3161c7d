"""What producers send, read strictly: every field has its rule, undeclared names are refused, secrets are masked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cache_streams.agents import rules
from cache_streams.agents.grammar import Ending, Kind, Step
from cache_streams.agents.masking import masked
from cache_streams.agents.refusals import AgentRefused, Invalid
from cache_streams.agents.rules import Broken, Field, Json, check_json
from cache_streams.protocol.agent_forms import SERVER_OWNED

EVENT_BYTES_MAX = 65_536
BATCH_MAX = 100
_MASKED = ("context", "metadata", "parameters", "results", "execution_summary")


def _same(value: Json) -> Json:
    return value


def _seconds(milliseconds: Json) -> Json:
    number = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
    return milliseconds / 1000 if number else milliseconds


_SPECIFIC: Mapping[Kind, Mapping[str, Field]] = {
    Kind.STARTED: {
        "task": Field(rules.text(4096)),
        "context": Field(rules.json_object),
        "metadata": Field(rules.json_object),
        "message": Field(rules.text(4096)),
    },
    Kind.THINKING: {
        "reasoning": Field(rules.text(8192, shortest=1), required=True, aliases={"thought": _same}),
        "step_number": Field(rules.integer(1)),
        "progress_percentage": Field(rules.number(0, 100)),
    },
    Kind.TOOL_EXECUTING: {
        "tool_name": Field(rules.text(128, shortest=1), required=True),
        "parameters": Field(rules.json_object, required=True),
        "execution_id": Field(rules.name),
    },
    Kind.TOOL_COMPLETED: {
        "tool_name": Field(rules.text(128, shortest=1), required=True),
        "execution_id": Field(rules.name),
        "results": Field(rules.anything, required=True, aliases={"result": _same}),
        "duration": Field(rules.number(0), required=True, aliases={"execution_time_ms": _seconds}),
        "success": Field(rules.boolean, required=True),
        "error": Field(rules.text(4096)),
    },
    Kind.COMPLETED: {
        "status": Field(rules.one_of(*Ending), required=True),
        "final_response": Field(rules.text(32_768), required=True),
        "duration": Field(rules.number(0)),
        "execution_summary": Field(rules.json_object),
        "error": Field(rules.failure),
    },
}
_ANY_EVENT = {
    "event_id": Field(rules.uuid_text),
    "expected_seq": Field(rules.integer(1)),
    "producer_timestamp": Field(rules.moment),
    "run_id": Field(rules.run_id),
    "user_id": Field(rules.user_id),
}
_START = {
    "agent_name": Field(rules.name, required=True),
    "run_id": Field(rules.run_id),
    "thread_id": Field(rules.name),
    "task": Field(rules.text(4096)),
    "context": Field(rules.json_object),
    "metadata": Field(rules.json_object),
    "profile": Field(rules.one_of("standard", "strict")),
    "user_id": Field(rules.user_id),
    "emit_started": Field(rules.boolean),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """One event as a producer sent it, checked and masked; the gateway adds the rest.

    ``fields`` are those specific to its type, ``run_id`` and ``user_id`` what the producer named, if it did. ``digest``
    is equal for equal contents.
    """

    kind: Kind
    fields: Mapping[str, Any]  # Any: JSON
    digest: str
    event_id: str | None = None
    expected_seq: int | None = None
    producer_timestamp: str | float | None = None
    run_id: str | None = None
    user_id: int | None = None

    def step(self, at_ms: int) -> Step:
        """Return what the grammar looks at; ``at_ms`` in Unix milliseconds."""
        ending = Ending(self.fields["status"]) if self.kind is Kind.COMPLETED else None
        return Step(self.kind, self.fields.get("execution_id"), self.fields.get("tool_name"), ending, at_ms)


@dataclass(frozen=True, slots=True)
class StartDraft:
    """A request to start a run; ``started`` holds the fields of its first event."""

    agent_name: str
    started: Mapping[str, Any]  # Any: JSON
    digest: str
    run_id: str | None = None
    thread_id: str | None = None
    user_id: int | None = None
    strict: bool = False
    emit_started: bool = True


def read_start(body: Json) -> StartDraft:
    """Return what a start asks for. Raises: Invalid, AgentRefused (TOO_LARGE)."""
    _check_whole(body)
    found = _read(body, _START)
    started = {name: _stored(name, found[name]) for name in _SPECIFIC[Kind.STARTED] if name in found}
    return StartDraft(
        agent_name=found["agent_name"],
        started=started,
        digest=_digest(body),
        run_id=found.get("run_id"),
        thread_id=found.get("thread_id"),
        user_id=found.get("user_id"),
        strict=found.get("profile") == "strict",
        emit_started=found.get("emit_started", True),
    )


def read_events(body: Json) -> list[Draft]:
    """Return the events of a body: one event, or ``{"events": […]}`` of 1 to 100.

    Raises: Invalid (fields of a batch are ``events.3.reasoning``), AgentRefused (TOO_LARGE).
    """
    if not isinstance(body, dict) or "events" not in body:
        return [read_event(body)]
    batch = body["events"]
    if not isinstance(batch, list) or not 1 <= len(batch) <= BATCH_MAX:
        raise Invalid({"events": [f"must be a list of 1 to {BATCH_MAX} events"]})
    if extra := sorted(map(str, body.keys() - {"events"})):
        raise Invalid({name: ["is not a field of a batch"] for name in extra})
    return [read_event(event, at=f"events.{index}.") for index, event in enumerate(batch)]


def read_event(body: Json, at: str = "") -> Draft:
    """Return one event; ``at`` is put before the names of wrong fields. Raises: Invalid, AgentRefused (TOO_LARGE)."""
    _check_whole(body, at)
    kind = body.get("type")
    if not isinstance(kind, str) or kind not in set(Kind):
        raise Invalid({f"{at}type": [f"must be one of {', '.join(Kind)}"]})
    specific = _SPECIFIC[Kind(kind)]
    sent = {name: value for name, value in body.items() if name != "type"}
    found = _read(sent, {**_ANY_EVENT, **specific}, at)
    if found.get("status") == Ending.SUCCESS and not found["final_response"]:
        raise Invalid({f"{at}final_response": ["must not be empty when status is success"]})
    fields = {name: found[name] for name in specific if name in found}
    stamped = {"type": kind, "at": found.get("producer_timestamp"), **fields}
    return Draft(
        kind=Kind(kind),
        fields={name: _stored(name, value) for name, value in fields.items()},
        digest=_digest(stamped),
        event_id=found.get("event_id"),
        expected_seq=found.get("expected_seq"),
        producer_timestamp=found.get("producer_timestamp"),
        run_id=found.get("run_id"),
        user_id=found.get("user_id"),
    )


def _check_whole(body: Json, at: str = "") -> None:
    where = at.rstrip(".") or "body"
    if not isinstance(body, dict):
        raise Invalid({where: ["must be an object"]})
    try:
        check_json(body)
    except Broken as broken:
        raise Invalid({where: [str(broken)]}) from broken
    if len(msgspec.json.encode(body)) > EVENT_BYTES_MAX:
        raise AgentRefused("TOO_LARGE", f"An event has at most {EVENT_BYTES_MAX} bytes as JSON.")


def _read(body: Mapping[str, Json], fields: Mapping[str, Field], at: str = "") -> dict[str, Json]:
    """Return the members of ``body`` under their proper names. Raises: Invalid, naming every broken rule."""
    aliases = {
        alias: (name, convert)
        for name, field in fields.items()
        for alias, convert in (field.aliases or {}).items()
    }
    found: dict[str, Json] = {}
    errors: dict[str, list[str]] = {}
    for sent, value in body.items():
        name, convert = aliases.get(sent, (sent, _same))
        if name in found or name not in fields:
            errors[f"{at}{sent}"] = [_why_not(sent, name, known=name in fields)]
            continue
        try:
            found[name] = fields[name].check(convert(value))
        except Broken as broken:
            found[name] = None
            errors[f"{at}{sent}"] = [f"{sent} {broken}"]
    for name, field in fields.items():
        if field.required and name not in found:
            errors[f"{at}{name}"] = ["Field required"]
    if errors:
        raise Invalid(errors)
    return found


def _why_not(sent: str, name: str, *, known: bool) -> str:
    if known:
        return f"{name} is given under two names"
    if sent in SERVER_OWNED or sent == "status":
        return f"{sent} is filled by the gateway alone"
    return "is not a field of this message"


def _stored(name: str, value: Json) -> Json:
    return masked(value) if name in _MASKED else value


def _digest(content: Mapping[str, Json]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical).hexdigest()
