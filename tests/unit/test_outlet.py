"""A socket's outlet: frames that leave, and who learns that it is full."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.conf import settings
from websockets.frames import Frame, Opcode

from cache_streams import outlet
from cache_streams.asgi_outlet import HIGH_WATER_BYTES, LOW_WATER_BYTES, AsgiOutlet
from cache_streams.outlet import Body, SinkOutlet, text_header
from tests.recording import RecordingSink

DEADLINE_S = 5.0


class SlowlyRead(RecordingSink):
    """One whose reader takes a byte between any two looks."""

    LOOKS = 20

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.outlived = asyncio.Event()

    def taken(self) -> int | None:
        return None

    def buffered(self) -> int:
        self.looks += 1
        if self.looks == self.LOOKS:
            self.outlived.set()
        return 1000 - self.looks


class Listener:
    def __init__(self) -> None:
        self.pauses = 0

    def outlet_paused(self) -> None:
        self.pauses += 1


class Client:
    """The receiving end of plain ASGI; reads only while ``reading`` is set."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []  # Any: ASGI messages
        self.reading = asyncio.Event()
        self.reading.set()
        self.news = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:  # Any: an ASGI message
        await self.reading.wait()
        self.messages.append(message)
        self.news.set()

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.messages if message["type"] == "websocket.send"]

    async def received(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.messages) < count:
                self.news.clear()
                await self.news.wait()


# -- frames -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
def test_a_frame_is_what_websockets_itself_would_send(length: int) -> None:
    payload = b"x" * length
    assert text_header(length) + payload == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_a_body_is_framed_once_for_everybody() -> None:
    body = Body(b"{}")
    assert body.frame == b"\x81\x02{}"
    assert body.frame is body.frame


# -- the sink of a server ---------------------------------------------------------------------------------------------


async def test_a_bare_body_leaves_as_the_very_frame_that_the_others_get() -> None:
    transport, body = RecordingSink(), Body(b"{}")
    SinkOutlet(transport).write(b"", body)
    assert transport.frames[0] is body.frame


async def test_a_prefix_and_a_body_leave_as_one_frame() -> None:
    transport = RecordingSink()
    SinkOutlet(transport).write(b'{"id":1,', Body(b'"x":2}'))
    assert transport.frames == [Frame(Opcode.TEXT, b'{"id":1,"x":2}').serialize(mask=False)]


async def test_a_full_transport_tells_each_listener_once() -> None:
    transport, listener = RecordingSink(), Listener()
    sink = SinkOutlet(transport)
    sink.listeners.add(listener)
    transport.on_pause()
    transport.on_pause()
    assert sink.paused
    assert listener.pauses == 1
    sink.shut()


async def test_writable_waits_until_the_transport_has_drained() -> None:
    transport = RecordingSink()
    sink = SinkOutlet(transport)
    transport.on_pause()
    waiting = asyncio.create_task(sink.writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    transport.on_resume()
    async with asyncio.timeout(DEADLINE_S):
        await waiting


async def test_a_reader_that_drains_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "STALL_TIMEOUT_S", 0.05)
    monkeypatch.setattr(outlet, "STALL_LOOK_S", 0.01)
    transport = RecordingSink()
    SinkOutlet(transport)
    transport.left = 1000
    transport.on_pause()
    async with asyncio.timeout(DEADLINE_S):
        await transport.aborted.wait()


async def test_a_reader_that_drains_anything_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "STALL_TIMEOUT_S", 0.05)
    monkeypatch.setattr(outlet, "STALL_LOOK_S", 0.01)
    transport = SlowlyRead()
    sink = SinkOutlet(transport)
    transport.on_pause()
    async with asyncio.timeout(DEADLINE_S):
        await transport.outlived.wait()  # so many looks take four times as long as a stall may
    assert not transport.aborted.is_set()
    sink.shut()


async def test_a_transport_that_drained_is_watched_no_longer() -> None:
    transport = RecordingSink()
    sink = SinkOutlet(transport)
    transport.on_pause()
    watching = sink._stall
    assert watching is not None
    transport.on_resume()
    assert watching.cancelled()


async def test_a_close_goes_to_the_transport() -> None:
    transport = RecordingSink()
    SinkOutlet(transport).close(1008, "Token expired")
    assert transport.closed == (1008, "Token expired")


async def test_a_shut_outlet_lets_everybody_go_and_forgets_the_transport() -> None:
    transport = RecordingSink()
    sink = SinkOutlet(transport)
    transport.on_pause()
    sink.shut()
    async with asyncio.timeout(DEADLINE_S):
        await sink.writable()
    assert transport.on_pause is None
    assert transport.on_resume is None
    assert sink.closed


# -- plain ASGI -------------------------------------------------------------------------------------------------------


async def test_messages_leave_in_the_order_they_were_written() -> None:
    client = Client()
    plain = AsgiOutlet(client.send)
    for number in range(100):
        plain.write(b"n", Body(b"%d" % number))
    plain.send(b"last")
    await client.received(101)
    assert client.texts == [*(f"n{number}" for number in range(100)), "last"]
    assert plain.buffered() == 0
    plain.shut()


async def test_what_waits_is_counted_in_bytes_not_in_characters() -> None:
    client = Client()
    client.reading.clear()
    plain = AsgiOutlet(client.send)
    plain.send("€".encode())
    assert plain.buffered() == 3
    plain.shut()


async def test_a_full_outbox_pauses_and_a_drained_one_resumes() -> None:
    client, listener = Client(), Listener()
    client.reading.clear()
    plain = AsgiOutlet(client.send)
    plain.listeners.add(listener)
    body = Body(b"x" * 1024)
    for _ in range(HIGH_WATER_BYTES // 1024):
        plain.write(b"", body)
    assert listener.pauses == 0
    plain.write(b"", body)
    assert plain.paused
    assert listener.pauses == 1
    client.reading.set()
    async with asyncio.timeout(DEADLINE_S):
        await plain.writable()
    assert plain.buffered() <= LOW_WATER_BYTES
    plain.shut()


async def test_a_close_follows_what_was_written_before_it() -> None:
    client = Client()
    plain = AsgiOutlet(client.send)
    plain.send(b"last words")
    plain.close(1008, "Token expired")
    await client.received(2)
    assert client.texts == ["last words"]
    assert client.messages[1] == {"type": "websocket.close", "code": 1008, "reason": "Token expired"}


async def test_nothing_follows_a_close() -> None:
    client = Client()
    plain = AsgiOutlet(client.send)
    plain.close(1000, "")
    plain.send(b"too late")
    await client.received(1)
    await asyncio.wait([plain._sender], timeout=DEADLINE_S)
    assert plain._sender.done()
    assert client.texts == []
    plain.shut()


@pytest.mark.parametrize("end", [AsgiOutlet.abort, AsgiOutlet.shut])
async def test_an_ended_outbox_takes_nothing_more_and_its_task_is_gone(end: Any) -> None:  # Any: a method
    client = Client()
    client.reading.clear()
    plain = AsgiOutlet(client.send)
    plain.send(b"x" * (HIGH_WATER_BYTES + 1))
    end(plain)
    held = plain.buffered()
    plain.send(b"more")
    assert plain.buffered() == held
    async with asyncio.timeout(DEADLINE_S):
        await plain.writable()
    await asyncio.wait([plain._sender], timeout=DEADLINE_S)
    assert plain._sender.cancelled()


async def test_a_client_that_is_gone_ends_the_outbox_without_a_fuss() -> None:
    async def send(message: dict[str, Any]) -> None:  # Any: an ASGI message
        raise ConnectionResetError  # what servers raise is an OSError (ASGI 2.4)

    plain = AsgiOutlet(send)
    plain.send(b"x" * (HIGH_WATER_BYTES + 1))
    async with asyncio.timeout(DEADLINE_S):
        await plain._sender
        await plain.writable()
    assert plain.closed
    held = plain.buffered()
    plain.send(b"more")
    assert plain.buffered() == held
