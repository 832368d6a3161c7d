"""The protocol, case by case, against the shipped server: once as our sockets are kept, once through plain ASGI."""

from collections.abc import Iterator

import pytest

from tests.integration.autobahn.cases import CASES, TOO_BIG, Case
from tests.live import LiveServer, live_server
from tests.peer import BINARY, CLOSE, CONT, PING, TEXT, Peer, closing, frame, message

ROUTES = ("/echo/kept", "/echo/asgi")
FRAMES_PER_S = 1000


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with live_server(
        tmp_path_factory.mktemp("autobahn"),
        DJANGO_SETTINGS_MODULE="tests.integration.autobahn.echo_settings",
        FRAMES_PER_S=str(FRAMES_PER_S),
    ) as server:
        yield _port(server)


def _port(server: LiveServer) -> int:
    return int(server.url.rpartition(":")[2])


def _close(peer: Peer, codes: tuple[int, ...]) -> None:
    """Assert that the server closes with one of the codes, and that the connection ends then."""
    told = peer.receive()
    assert told != "end", f"no close frame; wanted {codes}"
    opcode, payload = told
    assert opcode == CLOSE, told
    code = int.from_bytes(payload[:2], "big") if payload else 1005
    assert code in codes
    assert peer.receive() == "end"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.number)
def test_the_case_ends_as_the_suite_expects(port: int, route: str, case: Case) -> None:
    with Peer(port, route) as peer:
        for sent, answers in case.steps:
            peer.send(sent, case.chop)
            for answer in answers:
                told = peer.receive()
                if case.early and told != answer:
                    assert told[0] == CLOSE
                    assert told[1][:2] in {code.to_bytes(2, "big") for code in case.closes}
                    return
                assert told == answer
        if case.closes:
            _close(peer, case.closes)
        else:
            peer.send(closing(1000))
            _close(peer, (1000,))


def test_every_case_of_the_sections_is_here_once() -> None:
    numbers = [case.number for case in CASES]
    assert len(set(numbers)) == len(numbers)
    sections = [number.partition(".")[0] for number in numbers]
    counts = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "10": 1}
    assert {section: sections.count(section) for section in counts} == counts


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "sent",
    [
        frame(TEXT, b"x" * 65537),
        frame(BINARY, b"x" * 65537),
        message(TEXT, b"x" * 65536, b"x"),
        message(BINARY, *(b"x" * 1024 for _ in range(65))),
        # Only its length is told: it is refused before its octets are there.
        frame(TEXT, b"x" * 70_000)[:10],
    ],
    ids=["text", "binary", "in two parts", "in many parts", "announced"],
)
def test_a_message_above_64_kib_is_refused(port: int, route: str, sent: bytes) -> None:
    with Peer(port, route) as peer:
        peer.send(sent)
        assert peer.receive() == (CLOSE, TOO_BIG.to_bytes(2, "big") + b"too_large")
        assert peer.receive() == "end"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "flood",
    [frame(PING, b"x"), frame(PING, b"x" * 125), frame(CONT, b"", fin=False), frame(10)],
    ids=["pings", "long pings", "empty parts", "pongs"],
)
def test_a_flood_of_small_frames_is_ended(port: int, route: str, flood: bytes) -> None:
    with Peer(port, route) as peer:
        peer.send(frame(TEXT, b"", fin=False))
        peer.send(
            flood * (2 * FRAMES_PER_S + 1)
        )  # more than a second of the clock may hold, wherever it begins
        while (told := peer.receive())[0] != CLOSE:
            assert told != "end"
        assert told[1] == b"\x11\x4drate_limited"


@pytest.mark.parametrize("route", ROUTES)
def test_compression_is_never_negotiated(port: int, route: str) -> None:
    with Peer(port, route, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits") as peer:
        assert b" 101 " in peer.head.splitlines()[0]
        assert b"sec-websocket-extensions" not in peer.head.lower()
        peer.send(frame(TEXT, b"x", rsv=4))
        _close(peer, (1002,))
