"""Both receivers of the benchmarks count what a server sent, and nothing else."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import receiver
from benchmarks.receiver import Opening, receiving, upgrade

SOCKETS, UPDATES, AGE_S = 7, 5, 0.25
DEADLINE_S = 10.0


@contextmanager
def server(*, accept: bool) -> Iterator[int]:
    """Answer handshakes; each accepted socket gets a heartbeat, then updates that are ``AGE_S`` old, cut at odd places."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def serve() -> None:
        for _ in range(SOCKETS):
            connection, _ = listener.accept()
            kept.append(connection)
            connection.recv(4096)
            connection.sendall(
                b"HTTP/1.1 101 Switching\r\n\r\n" if accept else b"HTTP/1.1 403 Forbidden\r\n\r\n"
            )
            if accept:
                payload = f'{{"text":"{"x" * 150}","timestamp":{time.time() - AGE_S}}}'.encode()
                frame = b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
                every = b"\x81\x02{}" + frame * UPDATES
                connection.sendall(every[:100])
                connection.sendall(every[100:])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(DEADLINE_S)
        for connection in [listener, *kept]:
            connection.close()


@pytest.fixture(params=["c", "python"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(receiver, "is_compiled", lambda: False)
    elif not receiver.is_compiled():
        pytest.fail("a C compiler is needed to test the receiver in C")
    return str(request.param)


def test_a_receiver_counts_every_update_once_and_knows_its_age(kind: str) -> None:
    with server(accept=True) as port, receiving(port, [Opening(upgrade(port, "/"))] * SOCKETS) as receiver_:
        deadline = time.monotonic() + DEADLINE_S
        while (told := receiver_.tell()).updates < SOCKETS * UPDATES and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (told.opened, told.refused, told.updates) == (SOCKETS, 0, SOCKETS * UPDATES)
        assert (told.fewest, told.most, told.samples) == (UPDATES, UPDATES, SOCKETS * UPDATES)
        assert AGE_S * 1000 - 1 <= told.p50_ms < DEADLINE_S * 1000
        assert receiver_.zero().updates == 0


def test_a_receiver_counts_those_that_were_refused(kind: str) -> None:
    with server(accept=False) as port, receiving(port, [Opening(upgrade(port, "/"))] * SOCKETS) as receiver_:
        assert (receiver_.told.opened, receiver_.told.refused) == (0, SOCKETS)
        assert "403" in receiver_.told.refusal
