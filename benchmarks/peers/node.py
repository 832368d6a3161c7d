"""Node's ``ws`` and Socket.IO, each with a Redis subscription inside the server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.peers.peer import Peer
from benchmarks.processes import family, free_port, serving
from benchmarks.receiver import Opening, masked, upgrade
from benchmarks.servers import Places, Server
from benchmarks.updates import channel

_HERE = Path(__file__).with_name("node_ws")


def _ws(port: int) -> Callable[[int], Opening]:
    return lambda count: Opening(upgrade(port, f"/?channels={','.join(map(channel, range(count)))}"))


def _socket_io(port: int) -> Callable[[int], Opening]:
    def opening(count: int) -> Opening:
        wanted = ",".join(map(channel, range(count)))
        request = upgrade(port, f"/socket.io/?EIO=4&transport=websocket&channels={wanted}")
        return Opening(request, masked("40"))

    return opening


def _peer(name: str, program: str, package: str, opening: Callable[[int], Callable[[int], Opening]]) -> Peer:
    def missing() -> str | None:
        there = shutil.which("node") and (_HERE / "node_modules" / package).is_dir()
        return None if there else f"Node with {package}"

    @contextmanager
    def start(places: Places) -> Iterator[Server]:
        port = free_port()
        command = [shutil.which("node") or "node", str(_HERE / program), str(port), places.redis_url]
        with serving(command, port, places.log("node"), env={"NODE_ENV": "production"}) as pid:
            yield Server(
                name=name,
                port=port,
                pids=family(pid),
                opening=opening(port),
                feed=("redis", places.redis_url),
            )

    def run(places: Places) -> AbstractContextManager[Server]:
        return start(places)

    return Peer(name, missing, run)


WS = _peer("Node ws", "ws.mjs", "ws", _ws)
SOCKET_IO = _peer("Socket.IO", "socketio.mjs", "socket.io", _socket_io)
