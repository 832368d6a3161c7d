"""``serve``: its processes are replaced when they die, and end together."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from cache_streams.server.listener import AddressRefusedError, listening_socket
from tests.live import BASE, LiveServer, live_server

DEADLINE_S = 15.0


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def children(server: LiveServer, command: str) -> list[psutil.Process]:
    """The processes of ``server`` that run the management command ``command``."""
    found = []
    for child in psutil.Process(server.pid).children():
        try:
            line = child.cmdline()
        except psutil.NoSuchProcess:
            continue
        if str(BASE / "manage.py") in line and line[line.index(str(BASE / "manage.py")) + 1] == command:
            found.append(child)
    return found


def answers(server: LiveServer) -> bool:
    try:
        return httpx.get(f"{server.url}/admin/login/", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def alive(process: psutil.Process) -> bool:
    """Whether ``process`` runs; one that ended and was not yet collected by its parent does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway whose processes these tests replace; it is whole again after each of them."""
    with live_server(tmp_path_factory.mktemp("shared"), workers=2) as running:
        yield running


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[LiveServer]:
    """A gateway that its test ends."""
    with live_server(tmp_path) as running:
        yield running


def test_it_runs_the_workers_it_was_told_to_and_one_relay(server: LiveServer) -> None:
    assert answers(server)
    assert eventually(lambda: len(children(server, "worker")) == 2)
    assert eventually(lambda: len(children(server, "relay")) == 1)


@pytest.mark.parametrize("command", ["worker", "relay"])
def test_a_killed_process_is_replaced_and_the_log_says_why(server: LiveServer, command: str) -> None:
    victim = children(server, command)[0]
    count = len(children(server, command))
    victim.kill()
    assert eventually(lambda: victim.pid not in {child.pid for child in children(server, command)})
    assert eventually(lambda: len(children(server, command)) == count)
    assert eventually(lambda: answers(server))
    assert re.search(
        rf"{command}.* \(pid {victim.pid}\) ended .* with signal SIGKILL; replaced", server.log.read_text()
    )


def test_clients_are_served_while_a_worker_is_being_replaced(server: LiveServer) -> None:
    children(server, "worker")[0].kill()
    assert eventually(lambda: answers(server))  # a connection that the dying worker had accepted may be lost
    assert eventually(lambda: len(children(server, "worker")) == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_process_and_frees_the_port(doomed: LiveServer, number: signal.Signals) -> None:
    family = psutil.Process(doomed.pid).children(recursive=True)
    os.kill(doomed.pid, number)
    assert doomed.process.wait(DEADLINE_S) == 0
    assert not any(alive(process) for process in family)
    listening_socket("127.0.0.1", int(doomed.url.rpartition(":")[2])).close()


def test_a_second_signal_kills_what_does_not_end(tmp_path: Path) -> None:
    with live_server(tmp_path, workers=2) as doomed:
        hung = children(doomed, "worker")[0]
        hung.suspend()
        os.kill(doomed.pid, signal.SIGTERM)
        assert eventually(lambda: len(children(doomed, "worker")) == 1)
        assert alive(hung)
        assert children(doomed, "relay")  # it feeds the workers until they are gone
        os.kill(doomed.pid, signal.SIGTERM)
        assert doomed.process.wait(DEADLINE_S) == 0
        assert not alive(hung)


def test_what_does_not_end_within_the_patience_is_killed_and_named(
    doomed: LiveServer, tmp_path: Path
) -> None:
    script = (
        "import asyncio, django; django.setup()\n"
        "from cache_streams.server.listener import listening_socket\n"
        "from cache_streams.server.supervisor import Supervisor\n"
        "ready = lambda: print('ready', flush=True)\n"
        "with listening_socket('127.0.0.1', 0) as listener:\n"
        "    asyncio.run(Supervisor(listener, workers=1, on_ready=ready, patience_s=1.0).run())\n"
    )
    log = tmp_path / "impatient.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-c", script],
            env=doomed.environment,
            cwd=BASE,
            stdout=subprocess.PIPE,
            stderr=output,
        ) as supervisor,
    ):
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        hung = [child for child in psutil.Process(supervisor.pid).children() if "worker" in child.cmdline()]
        hung[0].suspend()
        supervisor.terminate()
        assert supervisor.wait(DEADLINE_S) == 0
    assert not alive(hung[0])
    assert "worker 1 did not end within 1 s: killed" in log.read_text()


def test_processes_die_with_a_killed_supervisor(doomed: LiveServer) -> None:
    family = psutil.Process(doomed.pid).children(recursive=True)
    doomed.process.kill()
    assert eventually(lambda: not any(alive(process) for process in family))


def test_a_taken_port_is_one_sentence_and_exit_code_2(server: LiveServer) -> None:
    port = server.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, str(BASE / "manage.py"), "serve", "--port", port],
        env=server.environment, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"Port {port} on 127.0.0.1 is taken by another process" in done.stderr
    assert done.stderr.count("\n") == 1


def test_connections_inherit_keepalive_and_the_limit_for_silent_peers() -> None:
    with listening_socket("localhost", 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_localhost_means_the_ipv4_loopback() -> None:
    with listening_socket("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_an_address_of_another_machine_is_refused_by_name() -> None:
    with pytest.raises(AddressRefusedError, match=r"192\.0\.2\.1"):
        listening_socket("192.0.2.1", 0)


def test_a_name_that_is_no_address_is_refused_by_name() -> None:
    with pytest.raises(AddressRefusedError, match=r"no-such-host\.invalid"):
        listening_socket("no-such-host.invalid", 0)
