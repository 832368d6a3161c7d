"""uWebSockets, the C++ server, through the ``socketify`` wheel; its publisher is a WebSocket of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import BASE
from benchmarks.peers.peer import Peer
from benchmarks.processes import family, free_port, serving
from benchmarks.receiver import Opening, upgrade
from benchmarks.servers import Places, Server
from benchmarks.updates import channel

_ENVIRONMENT = BASE / ".run" / "peers-venv"


def _missing() -> str | None:
    there = any(_ENVIRONMENT.glob("lib/python*/site-packages/socketify/__init__.py"))
    return None if there else "the socketify wheel"


@contextmanager
def _start(places: Places) -> Iterator[Server]:
    port = free_port()
    program = Path(__file__).with_name("uws_server.py")
    command = [str(_ENVIRONMENT / "bin" / "python"), str(program), str(port)]

    def opening(instruments: int) -> Opening:
        return Opening(upgrade(port, f"/?channels={','.join(map(channel, range(instruments)))}"))

    with serving(command, port, places.log("uws")) as pid:
        yield Server(
            name=UWEBSOCKETS.name,
            port=port,
            pids=family(pid),
            opening=opening,
            feed=("socket", f"127.0.0.1:{port}"),
        )


UWEBSOCKETS = Peer("uWebSockets (socketify)", _missing, _start)
