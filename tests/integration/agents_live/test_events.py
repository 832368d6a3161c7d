"""What events look like and in which order they come: rows A3-06 and A3-14 to A3-19 of the acceptance table."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import EVENTS, STEPS, Frame, console, gapless, thinking
from tests.live import LiveServer

Schema = dict[str, Any]  # Any: JSON schema
TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "number", "minimum": 0}
OBJECT: Schema = {"type": "object"}
COMMON: Schema = {
    "stream": {"const": "agents"},
    "version": {"const": 1},
    "event_id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f-]{27}$"},
    "run_id": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
    "thread_id": TEXT,
    "user_id": {"type": "string", "pattern": "^[0-9]+$"},
    "agent_name": TEXT,
    "seq": {"type": "integer", "minimum": 1},
    "cursor": {"type": "integer", "minimum": 1},
    "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    "timestamp_ms": {"type": "integer"},
    "replayed": {"type": "boolean"},
}
OWN: dict[str, Schema] = {
    "agent_started": {
        "status": {"const": "started"},
        "task": TEXT,
        "user_context": {"type": "object", "required": ["roles", "permissions"]},
    },
    "agent_thinking": {"status": {"const": "thinking"}, "reasoning": TEXT, "step_number": NUMBER},
    "tool_executing": {
        "status": {"const": "executing"},
        "tool_name": TEXT,
        "parameters": OBJECT,
        "execution_id": TEXT,
    },
    "tool_completed": {
        "status": {"enum": ["completed", "failed"]},
        "tool_name": TEXT,
        "execution_id": TEXT,
        "results": {},
        "duration": NUMBER,
        "success": {"type": "boolean"},
    },
    "agent_completed": {
        "status": {"enum": ["success", "partial", "failed", "cancelled", "timeout"]},
        "final_response": TEXT,
    },
}
PUBLISHED = {
    "agent_started": {"user_id", "thread_id", "timestamp"},
    "agent_thinking": {"reasoning", "timestamp"},
    "tool_executing": {"tool_name", "parameters", "timestamp"},
    "tool_completed": {"tool_name", "results", "duration", "timestamp"},
    "agent_completed": {"status", "final_response", "timestamp"},
}
"""What readers of either style look for, at top level or in ``payload``."""


def closed_object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schema_of(kind: str) -> Schema:
    """Return what an event of this type must look like in the dual form, and no other."""
    own = OWN[kind]
    payload = closed_object(own | {name: COMMON[name] for name in ("user_id", "thread_id", "timestamp")})
    return closed_object({"type": {"const": kind}, **COMMON, **own, "payload": payload})


async def test_a3_16_every_received_event_has_its_structure_in_both_forms(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        ann.whole_run(task="why")
        told = await one.told(5)
    assert {event["type"] for event in told} == set(OWN)
    for event in told:
        jsonschema.validate(event, schema_of(event["type"]))
        assert event.keys() >= PUBLISHED[event["type"]]
        assert event["payload"].keys() >= PUBLISHED[event["type"]]
        assert {name: event[name] for name in event["payload"]} == event["payload"]


OPEN_TWO = [
    {"type": "tool_executing", "tool_name": "one", "parameters": {}, "execution_id": "a"},
    {"type": "tool_executing", "tool_name": "two", "parameters": {}, "execution_id": "b"},
]
CLOSE_TWO = [
    {
        "type": "tool_completed",
        "tool_name": "two",
        "execution_id": "b",
        "results": 2,
        "duration": 0,
        "success": True,
    },
    {
        "type": "tool_completed",
        "tool_name": "one",
        "execution_id": "a",
        "results": 1,
        "duration": 0,
        "success": True,
    },
]
ORDERS: dict[str, list[Frame]] = {
    "all five": list(STEPS),
    "no tools": [STEPS[0], STEPS[3]],
    "no thinking": list(STEPS[1:]),
    "parallel tools": [*OPEN_TWO, *CLOSE_TWO, STEPS[3]],
}


@pytest.mark.parametrize("name", ORDERS)
async def test_a3_17_every_legal_order_arrives_as_it_was_reported(
    agents_server: LiveServer, people: People, name: str
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        run_id = ann.start()
        ann.append(run_id, *ORDERS[name])
        told = await one.told(1 + len(ORDERS[name]))
        await one.nothing_more()
    assert [event["type"] for event in told] == ["agent_started", *(event["type"] for event in ORDERS[name])]
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    gapless(told)


async def test_a3_17_a_strict_run_succeeds_with_all_five_only(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        run_id = ann.start(profile="strict")
        status, refused = ann.ask("POST", f"/runs/{run_id}/events/", STEPS[3])
        assert (status, refused["error_code"]) == (409, "OUT_OF_ORDER")
        ann.append(run_id, *STEPS)
        assert [event["type"] for event in await one.told(5)] == list(EVENTS)


async def test_a3_19_what_may_not_come_now_is_refused_and_the_run_goes_on(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        run_id = ann.start()
        for event in (STEPS[2], {"type": "agent_started"}):
            status, answer = ann.ask("POST", f"/runs/{run_id}/events/", event)
            assert (status, answer["error_code"], answer["state"]) == (409, "OUT_OF_ORDER", "RUNNING")
            told = await one.ask("publish", run_id=run_id, event=event)
            assert told["error_code"] == "OUT_OF_ORDER"
            assert told["details"]["allowed"]
        ann.append(run_id, *STEPS)
        status, answer = ann.ask("POST", f"/runs/{run_id}/events/", thinking())
        assert (status, answer["error_code"]) == (409, "RUN_CLOSED")
        assert [event["type"] for event in await one.told(5)] == list(EVENTS)
        await one.nothing_more()


async def test_a3_15_the_demo_runner_pairs_its_tool_events_by_one_execution(
    agents_server: LiveServer, people: People
) -> None:
    async with console(agents_server, people().token or "") as one:
        answer = await one.ask("run_agent", text="count these words", thread_id="th-9")
        told = await one.told(5)
    assert [event["type"] for event in told] == list(EVENTS)
    assert {(event["run_id"], event["thread_id"]) for event in told} == {(answer["result"]["run_id"], "th-9")}
    assert told[2]["execution_id"] == told[3]["execution_id"]
    assert told[2]["tool_name"] == told[3]["tool_name"]


@pytest.mark.parametrize("message", ["agent_request", "start_agent", "user_message", "chat", "chat_message"])
async def test_a3_04_every_message_that_asks_for_an_agent_gets_a_whole_run(
    agents_server: LiveServer, people: People, message: str
) -> None:
    async with console(agents_server, people().token or "") as one:
        await one.send({"type": message, "payload": {"content": "two words"}})
        told = await one.told(5)
    assert told[-1]["final_response"] == "You said 2 word(s)."


@pytest.mark.parametrize("kind", EVENTS)
async def test_a3_14_each_of_the_five_types_and_no_other_is_taken_from_a_socket(
    agents_server: LiveServer, people: People, kind: str
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        run_id = ann.start(emit_started=False)
        before = {
            "agent_started": 0,
            "agent_thinking": 1,
            "tool_executing": 1,
            "tool_completed": 3,
            "agent_completed": 1,
        }
        steps = [{"type": "agent_started"}, *STEPS[:2]]
        if before[kind]:
            ann.append(run_id, *steps[: before[kind]])
        event = next(step for step in ({"type": "agent_started"}, *STEPS) if step["type"] == kind)
        await one.send({**event, "run_id": run_id, "request_id": "p"})  # a bare frame of this type
        assert (await one.until(lambda frame: frame.get("request_id") == "p"))["success"] is True
        assert (await one.told(before[kind] + 1))[-1]["type"] == kind
        unknown = await one.ask("publish", run_id=run_id, event={"type": "agent_paused"})
        assert unknown["error_code"] == "VALIDATION_ERROR"


async def test_a3_06_every_heartbeat_is_answered(agents_server: LiveServer, people: People) -> None:
    async with console(agents_server, people().token or "") as one:
        for _ in range(3):
            await one.of_type("heartbeat")  # the server's own, after a second without a frame
            await one.send({"type": "heartbeat"})
            answer = await one.of_type("heartbeat_ack")
            assert answer["data"]["status"] == "healthy"


async def test_a3_06_a_quiet_server_says_where_its_stream_stands(
    agents_server: LiveServer, people: People
) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        ann.whole_run()
        await one.told(5)
        beat = await one.of_type("heartbeat")
    assert beat["cursor"] == 5
    assert beat["stats"] == {"events_sent": 5, "messages_received": 0}
