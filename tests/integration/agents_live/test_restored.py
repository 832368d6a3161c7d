"""A database that is restored to an older state: clients are told that their place is gone, and get the rows again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.agents_live.console import Console, Frame, Rest, console, gapless, minted, thinking
from tests.integration.native.client import Native, opened
from tests.live import LiveServer, live_server

ADMIN = 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path, AGENTS_HEARTBEAT_S="1") as running:
        yield running


def copied(source: str, target: str) -> None:
    """Make one SQLite database what another one is, whoever has it open."""
    with (
        closing(sqlite3.connect(source, timeout=20)) as old,
        closing(sqlite3.connect(target, timeout=20)) as new,
    ):
        old.backup(new)


class Backup:
    """The state of the server's database when this was made."""

    def __init__(self, server: LiveServer, directory: Path) -> None:
        self._database = server.database_url.removeprefix("sqlite:///")
        self._copy = str(directory / "backup.sqlite3")
        copied(self._database, self._copy)

    def restore(self) -> None:
        copied(self._copy, self._database)


async def thinks(admin: Rest, run_id: str, text: str, times: int) -> None:
    await asyncio.to_thread(admin.append, run_id, *[thinking(text)] * times)


async def reset(one: Console) -> Frame:
    """Return what an open socket is told of the reset; events after it are kept."""
    gap = await one.of_type("resume_gap")
    one.events.clear()
    return gap


async def test_open_sockets_are_told_and_get_all_rows_again(server: LiveServer, tmp_path: Path) -> None:
    token = minted(server, ADMIN)
    admin = Rest(server, token, ADMIN)
    run_id = await asyncio.to_thread(admin.start)
    async with console(server, token) as one, opened(server) as native:
        await native.subscribe("agents")
        first_id = one.others[0]["log"]["log_id"]
        await thinks(admin, run_id, "kept", 3)
        backup = Backup(server, tmp_path)
        await thinks(admin, run_id, "gone", 6)
        assert (await one.told(9))[-1]["cursor"] == 10
        place = (await told_up_to(native, 10))["cursor"]
        backup.restore()
        await thinks(admin, run_id, "anew", 2)
        gap = await reset(one)
        assert (gap["requested"], gap["oldest"], gap["lost"], gap["reason"]) == (10, 1, 0, "log_reset")
        assert gap["log_id"] != first_id
        events = await one.told(6)
        gapless(events)
        assert [event.get("reasoning") for event in events] == [None, *["kept"] * 3, *["anew"] * 2]
        snapshot = await native.told(type="snapshot")
        assert snapshot["cursor"].partition(".")[0] != place.partition(".")[0]
        seen = [*(snapshot["data"] or [])]
        while len(seen) < 6:
            seen.append((await native.told(type="update"))["data"])
        assert [event.get("reasoning") for event in seen] == [event.get("reasoning") for event in events]
        await thinks(admin, run_id, "later", 1)
        assert (await one.told(7))[-1]["reasoning"] == "later"
        await one.nothing_more()


async def told_up_to(native: Native, seq: int) -> Frame:
    while True:
        frame = await native.told(type="update")
        if frame["seq"] == seq:
            return frame


async def test_clients_that_come_back_after_a_restore_are_told(server: LiveServer, tmp_path: Path) -> None:
    token = minted(server, ADMIN)
    admin = Rest(server, token, ADMIN)
    run_id = await asyncio.to_thread(admin.start)
    async with console(server, token) as one, opened(server) as native:
        await native.subscribe("agents")
        await thinks(admin, run_id, "kept", 3)
        backup = Backup(server, tmp_path)
        await thinks(admin, run_id, "gone", 6)
        cursor, log_id = (await one.told(9))[-1]["cursor"], one.others[0]["log"]["log_id"]
        place = (await told_up_to(native, 10))["cursor"]
    server.stop()
    backup.restore()
    server.start_again()
    await thinks(admin, run_id, "anew", 20)  # beyond what was told: the numbers alone say nothing
    async with opened(server) as native:
        while (await native.subscribe("agents"))["cursor"].partition(".")[0] == place.partition(".")[0]:
            await native.done("unsubscribe", stream="agents")  # the relay reads in a moment
    async with (
        console(server, token, query=f"after={cursor}&log_id={log_id}") as one,
        opened(server) as native,
    ):
        gap = await one.of_type("resume_gap")
        assert (gap["reason"], gap["requested"], gap["lost"]) == ("log_reset", cursor, 0)
        events = await one.told(24)
        gapless(events)
        assert [event["reasoning"] for event in events[1:]] == ["kept"] * 3 + ["anew"] * 20
        assert (await native.subscribe("agents", since=place))["recovered"] is False
