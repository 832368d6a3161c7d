"""Opening a console: the four paths, the welcome, and what the socket carries from then on."""

from __future__ import annotations

import pytest

from tests.integration.agents_live.conftest import People
from tests.integration.agents_live.console import ALIASES, EVENTS, PATH, console, gapless, opened
from tests.live import LiveServer


@pytest.mark.parametrize("path", [PATH, *ALIASES, *(f"{alias}/" for alias in ALIASES)])
async def test_every_path_welcomes_its_user(agents_server: LiveServer, people: People, path: str) -> None:
    ann = people()
    async with opened(agents_server, ann.token, path) as one:
        welcome = await one.frame()
    assert welcome["type"] == "connection_established"
    assert welcome["user_id"] == welcome["data"]["user_id"]
    assert welcome["connection_id"] == welcome["data"]["connection_id"]
    assert tuple(welcome["events"]) == EVENTS
    assert welcome["client_id"] == ("console-1" if path == PATH else None)


async def test_a_whole_run_arrives_in_order(agents_server: LiveServer, people: People) -> None:
    ann = people()
    async with console(agents_server, ann.token or "") as one:
        run_id = ann.whole_run()
        told = await one.told(5)
    assert [event["type"] for event in told] == list(EVENTS)
    assert {event["run_id"] for event in told} == {run_id}
    gapless(told)
