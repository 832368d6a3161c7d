"""Daphne with our protocol: closes that say why, over a real socket, from a server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import websockets
from websockets.sync.client import ClientConnection, connect

from cache_streams.server.children import dying_with_parent
from tests.live import BASE

DEADLINE_S = 10.0
SCRIPT = """
import json
from urllib.parse import parse_qs
from cache_streams.server.daphne import GatewayDaphneServer

async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    message = json.loads(parse_qs(scope["query_string"].decode())["close"][0])
    if scope["path"] == "/before":
        await send({"type": "websocket.close", **message})
        return
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "last words"})
    await send({"type": "websocket.close", **message})
    await receive()

server = GatewayDaphneServer(
    application=application,
    endpoints=["tcp:port=0:interface=127.0.0.1"],
    signal_handlers=False,
)

from twisted.internet import reactor

def tell():
    addresses = server.listening_addresses
    if addresses:
        print(addresses[0][1], flush=True)
    else:
        reactor.callLater(0.01, tell)

reactor.callWhenRunning(tell)
server.run()
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    script = tmp_path_factory.mktemp("daphne") / "serve.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        dying_with_parent(sys.executable, str(script)),
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(BASE), "PATH": ""},
        cwd=BASE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def client(port: int, close: str, path: str = "/") -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}{path}?close={quote(close)}", open_timeout=DEADLINE_S)


def close_of(port: int, close: str) -> tuple[int | None, str | None]:
    """Return code and reason as a client receives them, after what was sent before."""
    with client(port, close) as connected:
        assert connected.recv(DEADLINE_S) == "last words"
        with pytest.raises(websockets.ConnectionClosed):
            connected.recv(DEADLINE_S)
        return connected.close_code, connected.close_reason


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 3000, 4408])
def test_every_code_of_ours_arrives_with_its_reason(port: int, code: int) -> None:
    assert close_of(port, f'{{"code":{code},"reason":"Token expired"}}') == (code, "Token expired")


@pytest.mark.parametrize("nothing", ["{}", '{"code":null,"reason":null}'])
def test_without_a_code_it_is_a_normal_end(port: int, nothing: str) -> None:
    assert close_of(port, nothing) == (1000, "")


def test_a_reason_too_long_for_its_frame_is_cut(port: int) -> None:
    assert close_of(port, f'{{"code":1008,"reason":"{"x" * 200}"}}') == (1008, "x" * 123)


def test_a_reason_is_never_cut_within_a_character(port: int) -> None:
    assert close_of(port, f'{{"code":1008,"reason":"{"ü" * 100}"}}') == (1008, "ü" * 61)


def test_a_close_before_the_accept_is_a_403(port: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        client(port, '{"code":1008}', path="/before")
    assert refused.value.response.status_code == 403
