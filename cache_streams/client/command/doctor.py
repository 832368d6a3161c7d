"""``doctor``: examines the way to a gateway, step by step, and says in a sentence what is wrong with each."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from cache_streams.client.command.exits import Exit, Stopped
from cache_streams.client.command.output import Colour, Output
from cache_streams.client.command.session import Session, ends_at
from cache_streams.client.errors import ClientError, RestFailed
from cache_streams.client.gateway import Gateway
from cache_streams.client.rest import Json, ask
from cache_streams.client.url import root_url
from cache_streams.protocol.native.frames import ExplainAck
from cache_streams.streams import by_name

PINGS = 7
SLOW_MS = 250.0
CLOCK_S = 1.0
SOON_S = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one examination found: ``good`` None is a remark."""

    about: str
    good: bool | None
    sentence: str


Look = Callable[[Session], Awaitable[Finding]]


async def doctor(session: Session, _asked: argparse.Namespace, output: Output) -> None:
    """Say what is found. Raises: Stopped when anything is wrong."""
    wrong = 0
    async for finding in _findings(session, output):
        output.clear()
        mark, colour = {
            True: ("ok", Colour.UP),
            False: ("wrong", Colour.DOWN),
            None: ("note", Colour.WARNING),
        }[finding.good]
        output.line(f"{output.paint(f'{mark:<5}', colour)} {finding.about:<12} {finding.sentence}")
        wrong += finding.good is False
    if wrong:
        raise Stopped(Exit.PROBLEM, f"{wrong} of these {'is' if wrong == 1 else 'are'} wrong")


async def _findings(session: Session, output: Output) -> AsyncIterator[Finding]:
    for look in (_address, _health, _ready, _credentials):
        output.progress(f"examining: {look.__name__.strip('_')}")
        finding = await look(session)
        yield finding
        if finding.good is False and look is not _ready:
            return
    try:
        async with session.gateway() as gateway:
            yield Finding(
                "socket",
                True,
                f"opened as user {gateway.welcome.user_id}, connection {gateway.welcome.connection_id}",
            )
            clock, latency = await _round_trips(gateway)
            yield clock
            yield latency
            for stream in by_name:
                yield await _permission(gateway, stream)
    except (ClientError, Stopped) as fault:
        yield Finding("socket", False, f"{fault}")


async def _address(session: Session) -> Finding:
    parts = urlsplit(session.url)
    port = parts.port or (443 if parts.scheme in {"https", "wss"} else 80)
    try:
        async with asyncio.timeout(5.0):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except TimeoutError:
        return Finding(
            "address", False, f"{parts.hostname}:{port} does not answer: a firewall, or the wrong address"
        )
    except OSError as fault:
        why = (
            "nobody listens there: is the gateway running?"
            if isinstance(fault, ConnectionRefusedError)
            else str(fault)
        )
        return Finding("address", False, f"{parts.hostname}:{port}: {why}")
    writer.close()
    return Finding("address", True, f"{parts.hostname}:{port} accepts connections")


async def _health(session: Session) -> Finding:
    try:
        told = await ask(root_url(session.url, "/health"))
    except RestFailed as failed:
        return Finding(
            "gateway", False, f"/health: {failed}; whatever answers there is no gateway, or a broken one"
        )
    if not isinstance(told, dict) or "version" not in told:
        return Finding(
            "gateway", False, "/health is not that of a gateway: the address leads to something else"
        )
    good = True if told.get("status") == "healthy" else None
    return Finding("gateway", good, f"version {told['version']} says that it is {told.get('status')}")


async def _ready(session: Session) -> Finding:
    try:
        told = await ask(root_url(session.url, "/health/ready"), statuses=frozenset({503}))
    except RestFailed as failed:
        return Finding("readiness", False, f"/health/ready: {failed}")
    reasons = _reasons(told)
    return Finding(
        "readiness", not reasons, f"not ready: {'; '.join(reasons)}" if reasons else "ready to serve"
    )


def _reasons(told: Json) -> list[str]:
    reasons = told.get("reasons", []) if isinstance(told, dict) else ["the answer cannot be read"]
    return [str(reason) for reason in reasons]


async def _credentials(session: Session) -> Finding:
    source = session.source
    if not source:
        return Finding("credentials", False, f"there are none for {session.name}: run login")
    try:
        headers = await session.headers()
    except (Stopped, RestFailed) as fault:
        return Finding("credentials", False, str(fault))
    ends = ends_at(headers.get("Authorization", "").removeprefix("Bearer "))
    if not ends:
        return Finding("credentials", True, source)
    left = ends - time.time()
    if left <= 0:
        return Finding(
            "credentials", False, f"{source} ended {-left / 60:.0f} min ago: run login, or mint another one"
        )
    return Finding("credentials", True if left > SOON_S else None, f"{source} ends in {left / 60:.0f} min")


async def _round_trips(gateway: Gateway) -> tuple[Finding, Finding]:
    trips: list[tuple[float, float]] = []
    for _ in range(PINGS):
        asked = time.time()
        ack = await gateway.request("ping")
        answered = time.time()
        trips.append((answered - asked, ack.time_in - (asked + answered) / 2))
    seconds, ahead = min(trips)
    off = f"this machine's clock is {abs(ahead):.1f} s {'behind' if ahead > 0 else 'ahead of'} the gateway's"
    bad = f"{off}: ages of prices will be wrong, and tokens end too early or too late; set it by NTP"
    clock = (
        Finding("clock", True, "agrees with the gateway's")
        if abs(ahead) < max(CLOCK_S, seconds)
        else Finding("clock", False, bad)
    )
    middle, most = statistics.median(trip for trip, _ in trips) * 1000, max(trips)[0] * 1000
    good = middle < SLOW_MS
    sentence = f"{middle:.1f} ms there and back, {most:.1f} at most of {PINGS}"
    return clock, Finding(
        "latency", good, sentence if good else f"{sentence}: the network or the gateway is slow"
    )


async def _permission(gateway: Gateway, stream: str) -> Finding:
    if stream in gateway.welcome.streams:
        return Finding(stream, True, "may be read")
    fields = by_name[stream].key_fields
    request = {"op": "subscribe", "stream": stream, **dict.fromkeys(fields, "*")}
    ack = await gateway.request("explain", request=request)
    why = ack.rule if isinstance(ack, ExplainAck) else "no reason given"
    return Finding(stream, None, f"may not be read: {why}")
