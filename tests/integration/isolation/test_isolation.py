"""No user is ever told what is another's: a hundred of them, over every family and REST, while sockets are torn down.

``ISOLATION_S`` says for how long; the minute that a release is looked at with: ``ISOLATION_S=60 pytest tests/integration/isolation``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.integration.isolation.visits import Visitor
from tests.integration.isolation.world import Witness, World, people_of
from tests.live import LiveServer, live_server

LASTS_S = float(os.environ.get("ISOLATION_S", "12"))
VISITORS = 24
SEEN_OFTEN = 5
"""A place where less was seen proves nothing."""
PLACES = {"rpc", "push", "native", "agents", "rest"}
logging.getLogger("httpx").setLevel(logging.WARNING)  # it would name each request
pytestmark = pytest.mark.timeout(LASTS_S + 120)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("isolation"),
        workers=2,
        NATIVE_REQUESTS_PER_S="0",
        AGENTS_FRAMES_PER_MINUTE="100000",
        AGENTS_SOCKETS_PER_USER="1000",
        REQUESTS_PER_MINUTE_PER_ADDRESS="1000000",
        REQUESTS_PER_MINUTE_PER_USER="100000",
    ) as running:
        yield running


async def come_and_go(world: World, witness: Witness, chance: random.Random, until: float) -> int:
    visits = 0
    while time.monotonic() < until:
        await Visitor(world, world.somebody(chance), witness, chance).visit()
        visits += 1
    return visits


async def test_no_user_is_told_what_is_anothers(server: LiveServer) -> None:
    seed = random.randrange(2**32)
    world, witness = people_of(server), Witness()
    await world.all_at_once()
    until = time.monotonic() + LASTS_S
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.live(random.Random(seed), until))
        crowd = [
            tasks.create_task(come_and_go(world, witness, random.Random(seed + number), until))
            for number in range(1, VISITORS + 1)
        ]
    visits = sum(task.result() for task in crowd)
    met = f"seed {seed}: {visits} visits, {witness.texts} texts, own markers {dict(witness.own)}"
    logging.getLogger(__name__).info(met)
    assert witness.foreign == [], (
        f"seed {seed}: {len(witness.foreign)} of {witness.texts}: {witness.foreign[:3]}"
    )
    assert {place for place, seen in witness.own.items() if seen >= SEEN_OFTEN} == PLACES, witness.own
