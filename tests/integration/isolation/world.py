"""A hundred users with everything that can be private, each payload marked with its owner's number."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import jwt
from redis import Redis

from tests.integration.wire.collector import Collector, position
from tests.live import LiveServer

USERS = 100
EXCHANGE = "iso"
TALKERS = 20
"""Of them, the first so many have agents: each run costs the gateway more than all else that is written of a user."""
BURST = 12
"""Users written about in one go; some 200 writes a second."""
_MARKER = re.compile(r"MK(\d{3})X")
_MAKE = f"""
from django.contrib.auth.models import Permission
from accounts.models import Ownership, User
grants = list(Permission.objects.filter(content_type__app_label="accounts", codename__in=["read", "agent_execute"]))
for number in range({USERS}):
    user = User.objects.create_user(f"iso{{number}}@fullon")
    user.user_permissions.add(*grants)
    Ownership.objects.create(user=user, kind="account", identifier=str(900000 + number))
    Ownership.objects.create(user=user, kind="bot", identifier=f"isobot{{number}}")
    print(user.pk)
"""


@dataclass(frozen=True)
class Person:
    """One user; nothing in what they ask for carries a marker."""

    number: int
    uid: int
    token: str

    @property
    def marker(self) -> str:
        return f"MK{self.number:03}X"

    @property
    def account(self) -> int:
        return 900_000 + self.number

    @property
    def bot(self) -> str:
        return f"isobot{self.number}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Witness:
    """What was seen where: foreign markers, and how often the own one, without which nothing would be proved."""

    foreign: list[str] = field(default_factory=list)
    own: Counter[str] = field(default_factory=Counter)
    texts: int = 0

    def read(self, person: Person, place: str, text: str | bytes) -> str:
        """Look at everything that ``person`` was sent, and return it as text."""
        told = text if isinstance(text, str) else text.decode()
        self.texts += 1
        numbers = {int(number) for number in _MARKER.findall(told)}
        if person.number in numbers:
            self.own[place] += 1
        if numbers - {person.number}:
            self.foreign.append(f"{place}, told {person.marker}: {told[:600]}")
        return told


@dataclass
class World:
    """The users of a live gateway, and the writer of what is theirs."""

    server: LiveServer
    people: list[Person]
    collector: Collector
    runs: dict[int, str] = field(default_factory=dict)
    cursors: dict[str, list[str]] = field(default_factory=dict)
    """Newest cursors by stream, whoever they were told to: a cursor is no secret, and must be no key."""

    def note_cursor(self, stream: str, cursor: str) -> None:
        kept = self.cursors.setdefault(stream, [])
        kept.append(cursor)
        del kept[:-200]

    async def live(self, chance: random.Random, until: float) -> None:
        """Write about users at random until that time on the monotonic clock."""
        async with httpx.AsyncClient(base_url=self.server.url, timeout=20) as client:
            for turn in itertools.count():
                if time.monotonic() >= until:
                    return
                chosen = chance.sample(self.people, BURST)
                await asyncio.to_thread(self._write, chosen, turn)
                await self._think(client, chance.choice(self.people[:TALKERS]), turn)
                await asyncio.sleep(0.02)

    async def all_at_once(self) -> None:
        """Write about everybody, so that there is something to see."""
        await asyncio.to_thread(self._write, self.people, 0)
        async with httpx.AsyncClient(base_url=self.server.url, timeout=20) as client:
            await asyncio.gather(*(self._think(client, person, 0) for person in self.people[:TALKERS]))

    def somebody(self, chance: random.Random) -> Person:
        """Return one of them, every second time one with agents."""
        return chance.choice(self.people[: chance.choice([TALKERS, USERS])])

    def _write(self, chosen: list[Person], turn: int) -> None:
        write = self.collector
        for person in chosen:
            market = f"{person.marker}/USD"
            write.account(person.account, **{person.marker: {"total": 1.0 + turn, "free": 1.0, "used": 0.0}})
            write.positions(person.account, **{market: position(1.0 + turn)})
            write.bot(person.bot, feed={"symbol": person.marker, "status": "running", "turn": turn})
            write.do("HSET", "block_exchange", f"{EXCHANGE}:{market}", person.bot)
            write.do("HSET", "opening_position", f"{EXCHANGE}:{market}", f"{person.bot}:2026-01-15T10:30:00")
            owner = ({"ex_id": person.account}, {"uid": person.uid}, {"bot_id": person.bot})[turn % 3]
            status = "canceled" if turn % 7 == 6 else "open"
            write.order(
                EXCHANGE,
                f"o{person.number}-{turn % 3}",
                symbol=market,
                status=status,
                price=1.0 + turn,
                **owner,
            )

    async def _think(self, client: httpx.AsyncClient, person: Person, turn: int) -> None:
        """Let an agent of ``person`` say something."""
        if person.number not in self.runs:
            body = {"agent_name": "triage", "task": person.marker, "thread_id": f"th{person.number}"}
            started = await client.post("/api/v1/agents/runs/", json=body, headers=person.bearer)
            self.runs[person.number] = started.json()["run_id"]
        event = {"type": "agent_thinking", "reasoning": f"{person.marker} {turn}"}
        path = f"/api/v1/agents/runs/{self.runs[person.number]}/events/"
        (await client.post(path, json=event, headers=person.bearer)).raise_for_status()


def people_of(server: LiveServer) -> World:
    """Make the users of ``server``."""
    ids = [int(line) for line in server.manage("shell", "--verbosity=0", "-c", _MAKE).split()]
    end = int(time.time()) + 3600
    people = [
        Person(number, uid, jwt.encode({"user_id": uid, "exp": end}, server.jwt_secret, algorithm="HS256"))
        for number, uid in enumerate(ids)
    ]
    return World(server, people, Collector(Redis.from_url(server.redis_url, socket_timeout=5.0)))


def cursors_in(told: str) -> list[tuple[str, str]]:
    """Return stream and cursor of a frame that carries both."""
    frame = json.loads(told)
    if (
        isinstance(frame, dict)
        and isinstance(frame.get("cursor"), str)
        and isinstance(frame.get("stream"), str)
    ):
        return [(frame["stream"], frame["cursor"])]
    return []
