"""What one user does in one visit: asks, subscribes and resumes, for what is theirs and what is not, and leaves rudely."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.isolation.world import EXCHANGE, Person, Witness, World, cursors_in

DEADLINE_S = 20.0
OWNED = ("accounts", "positions", "bots", "orders", "agents")


class Visitor:
    """One user's visits; everything that they are sent is read by the witness."""

    def __init__(self, world: World, person: Person, witness: Witness, chance: random.Random) -> None:
        self.world, self.person, self.witness, self.chance = world, person, witness, chance
        self.other = chance.choice([other for other in world.people if other is not person])

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[ClientConnection]:
        """Open a socket that is aborted more often than closed."""
        url = f"{self.world.server.ws_url}{path}"
        connection = await connect(
            url,
            additional_headers=self.person.bearer,
            compression=None,
            max_size=None,
            open_timeout=DEADLINE_S,
        )
        try:
            yield connection
        finally:
            if self.chance.random() < 0.7:
                connection.transport.abort()
            await connection.close()

    async def listen(self, socket: ClientConnection, place: str, frames: int) -> None:
        """Read so many frames, or for so long, as chance has it."""
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(self.chance.uniform(0.05, 0.8)):
                for _ in range(frames):
                    told = self.witness.read(self.person, place, await socket.recv())
                    for stream, cursor in cursors_in(told):
                        self.world.note_cursor(stream, cursor)

    async def rpc(self) -> None:
        """Ask for everything by every name, and follow what may be followed."""
        mine, other = self.person, self.other
        asked: list[tuple[str, dict[str, object]]] = [
            ("get_bots", {}), ("get_blocks", {}), ("stream_bot_status", {}),
            ("get_queue_length", {"exchange": EXCHANGE}), ("stream_order_queue", {"exchange": EXCHANGE}),
            ("is_blocked", {"exchange": EXCHANGE, "symbol": "X/USD"}), ("get_active_processes", {}),
            ("stream_positions", {"user_id": mine.uid}), ("get_no_such_thing", {"exchange": 1}),
        ]  # fmt: skip
        for who in (mine, other):
            asked += [
                ("get_positions", {"user_id": who.uid}), ("get_positions", {"exchange": who.account}),
                ("get_balances", {"exchange_id": who.account}), ("stream_balances", {"exchange_id": who.account}),
                ("stream_positions", {"exchange": who.account}), ("get_bot_status", {"bot_id": who.bot}),
                ("stream_bot_status", {"bot_id": who.bot}),
                ("get_order_status", {"order_id": f"o{who.number}-0"}),
                ("get_order_status", {"exchange": EXCHANGE, "order_id": f"o{who.number}-1"}),
            ]  # fmt: skip
        self.chance.shuffle(asked)
        path = self.chance.choice(["/ws", "/ws/orders/c", "/ws/accounts/c", "/ws/bots/c"])
        async with self.socket(f"/api/v1/cache{path}") as socket:
            with suppress(ConnectionClosed):
                for number, (action, params) in enumerate(asked):
                    await socket.send(json.dumps({"action": action, "request_id": number, "params": params}))
            await self.listen(socket, "rpc", 80)

    async def push(self) -> None:
        """Be pushed what is theirs, and try what is not."""
        path = self.chance.choice(
            [
                f"/ws/orders/{EXCHANGE}?mode=push", "/ws/positions", f"/ws/balances/{self.person.account}",
                f"/ws/positions/{self.person.account}", f"/ws/balances/{self.other.account}",
                f"/ws/positions/{self.other.account}",
            ]
        )  # fmt: skip
        async with self.socket(f"/api/v1/cache{path}") as socket:
            await self.listen(socket, "push", 40)

    async def native(self) -> None:
        """Subscribe to all, to theirs and to others', with cursors from wherever."""
        async with self.socket("/api/v1/stream") as socket:
            requests: list[dict[str, object]] = [{"op": "list"}, {"op": "nonsense"}]
            for stream in OWNED:
                since = self.chance.choice([None, *self.world.cursors.get(stream, [])[-20:]])
                for key in self._keys(stream):
                    request: dict[str, object] = {"op": "subscribe", "stream": stream, **key}
                    if since is not None and self.chance.random() < 0.5:
                        request["since"] = since
                    requests += [
                        request,
                        {**request, "op": "snapshot"},
                        {"op": "explain", "request": request},
                    ]
            self.chance.shuffle(requests)
            with suppress(ConnectionClosed):
                for number, request in enumerate(requests):
                    await socket.send(json.dumps({**request, "id": number}))
            await self.listen(socket, "native", 150)

    def _keys(self, stream: str) -> list[dict[str, object]]:
        if stream == "orders":
            accounts = [
                self.person.account,
                self.other.account,
                f"user:{self.other.uid}",
                f"bot:{self.other.bot}",
            ]
            return [{"exchange": EXCHANGE}, *({"exchange": EXCHANGE, "account": each} for each in accounts)]
        if stream == "agents":
            theirs = self.world.runs.get(self.other.number, "none")
            return [{}, {"run": theirs}, {"thread": f"th{self.other.number}"}, {"run": "*"}]
        name = "bot" if stream == "bots" else "account"
        own, foreign = (
            (self.person.bot, self.other.bot)
            if stream == "bots"
            else (self.person.account, self.other.account)
        )
        return [{name: "*"}, {name: str(own)}, {name: str(foreign)}, {name: [str(own), str(foreign)]}]

    async def agents(self) -> None:
        """Watch agents from a cursor on, and ask for another user's runs."""
        after = self.chance.choice(["?after=0", "?after=0", "?after=1", f"?user_id={self.other.uid}"])
        async with self.socket(f"/api/v1/cache/ws/agents/{self.other.number}{after}") as socket:
            run = self.world.runs.get(self.other.number, "none")
            with suppress(ConnectionClosed):
                for action in ("subscribe", "get_run", "replay", "run_agent", "get_events", "cancel_run"):
                    params = {
                        "run_id": run,
                        "user_id": str(self.other.uid),
                        "thread_id": f"th{self.other.number}",
                    }
                    await socket.send(json.dumps({"action": action, "request_id": action, "params": params}))
            await self.listen(socket, "agents", 60)

    async def rest(self) -> None:
        """Ask for every snapshot and every run, theirs and others'."""
        mine, other = self.person, self.other
        run = self.world.runs.get(other.number, "none")
        paths = [
            "orm/users/me",
            "orm/api_keys/me",
            "agents/events/?after=0",
            "agents/runs/",
            f"agents/runs/{run}/",
        ]
        paths += [f"agents/runs/{run}/events/", "agents/admin/runs/", f"agents/runs/?user_id={other.uid}"]
        paths += [f"cache/{stream}" for stream in OWNED] + [
            "cache/bots?limit=500",
            "cache/orders?status=open",
        ]
        for who in (mine, other):
            paths += [
                f"cache/accounts/{who.account}",
                f"cache/positions/{who.account}",
                f"cache/bots/{who.bot}",
            ]
            paths += [
                f"cache/orders/{EXCHANGE}/{kind}"
                for kind in (who.account, f"user:{who.uid}", f"bot:{who.bot}")
            ]
        paths += [f"cache/orders/{EXCHANGE}", f"cache/accounts?account={other.account}", "cache/bots?after=!"]
        async with httpx.AsyncClient(
            base_url=f"{self.world.server.url}/api/v1/", headers=mine.bearer, timeout=DEADLINE_S
        ) as client:
            for path in self.chance.sample(paths, 8):
                answered = await client.get(path)
                assert answered.status_code < 500, (path, answered.text)
                self.witness.read(mine, "rest", answered.text)
            stolen = {"type": "agent_thinking", "reasoning": "mine now"}
            answered = await client.post(f"agents/runs/{run}/events/", json=stolen)
            assert answered.status_code in {403, 404}, answered.text
            self.witness.read(mine, "rest", answered.text)

    async def visit(self) -> None:
        """Do one of these."""
        await self.chance.choice([self.rpc, self.push, self.native, self.agents, self.rest])()
