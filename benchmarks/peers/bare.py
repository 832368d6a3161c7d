"""The floor: a loop of ``send`` in C, which is no server, but what every server asks of the kernel at the least."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import compiled
from benchmarks.peers.peer import Peer
from benchmarks.processes import free_port, serving
from benchmarks.receiver import Opening, upgrade
from benchmarks.servers import Places, Server

_SOURCE = Path(__file__).with_name("bare.c")


def _missing() -> str | None:
    return None if compiled.compiler() else "a C compiler"


@contextmanager
def _start(places: Places) -> Iterator[Server]:
    port = free_port()
    command = [str(compiled.program(_SOURCE)), str(port)]

    def opening(_: int) -> Opening:
        return Opening(upgrade(port, "/"))

    with serving(command, port, places.log("bare")) as pid:
        yield Server(
            name=BARE.name, port=port, pids=[pid], opening=opening, feed=("socket", f"127.0.0.1:{port}")
        )


BARE = Peer("no server: send() in a C loop", _missing, _start)
