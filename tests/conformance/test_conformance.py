"""Both clients, the same cases: declared in ``cases``, played by a scripted server."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.drivers import Event, NodeDriver, node_driver, run_python
from tests.conformance.scripted_server import ScriptedServer

Case = dict[str, Any]  # Any: JSON
CASES = [
    case
    for path in sorted((Path(__file__).parent / "cases").glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))
]
MARKET = {"stream": "tickers", "exchange": "kraken", "symbol": "BTC/USDC", "mode": "every"}

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def node() -> AsyncIterator[NodeDriver]:
    async with node_driver() as driver:
        yield driver


@cases
async def test_the_python_client(case: Case) -> None:
    await judged(case, run_python)


@cases
@pytest.mark.asyncio(loop_scope="module")
async def test_the_typescript_client(case: Case, node: NodeDriver) -> None:
    await judged(case, node.run)


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names)


async def judged(case: Case, run: Any) -> None:  # Any: either driver
    client = {"token": "t", "subscribe": [MARKET], **case.get("client", {})}
    wanted = case["messages"] if isinstance(case["messages"], dict) else {"0": case["messages"]}

    def enough(events: list[Event]) -> bool:
        return (
            len(of(events, "message")) >= sum(map(len, wanted.values()))
            and len(of(events, "refused")) >= len(case.get("refused", ()))
            and ("closed" not in case or bool(failed(events)))
        )

    async with asyncio.timeout(60), ScriptedServer(case["script"], case.get("stream", "tickers")) as server:
        events = await run(server.url, client, server.played, enough)
    for place in range(len(client["subscribe"])):
        found = [each for each in of(events, "message") if each["place"] == place]
        agree(found, wanted.get(str(place), []))
    if "begun" in case:
        agree(of(events, "begun"), case["begun"])
    agree(of(events, "refused"), case.get("refused", []))
    assert {each["error"] for each in failed(events)} <= {case.get("closed")}, events
    (over,) = of(events, "over")
    agree([over["counters"]], [case.get("counters", {})])


def of(events: list[Event], kind: str) -> list[Event]:
    return [each for each in events if each["event"] == kind]


def failed(events: list[Event]) -> list[Event]:
    return [each for each in of(events, "closed") if each["error"] is not None]


def agree(found: list[Event], wanted: list[Event]) -> None:
    """Each has at least the fields that are wanted of it, and there are no others."""
    shown = [
        {name: each.get(name, "absent") for name in want} for each, want in zip(found, wanted, strict=False)
    ]
    assert shown == wanted, found
    assert len(found) == len(wanted), found
