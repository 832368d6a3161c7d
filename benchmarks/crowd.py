"""Many sockets at once: how dear one is that rests, how fast they come, how soon all are back after a break."""

from __future__ import annotations

from benchmarks.contest import Contest, arena
from benchmarks.fanout import judge_alike
from benchmarks.gateway import Gateway
from benchmarks.peers import NCHAN, UWEBSOCKETS, WS
from benchmarks.processes import SERVER_CORE, cpu_s, pin
from benchmarks.receiver import receiving
from benchmarks.report import Findings, Row
from benchmarks.servers import PUSH, push_tickers
from benchmarks.trial import Load, feeding

CROWD = Load(sockets=9_000, rate=5, seconds=4)
QUICK_CROWD = Load(sockets=50, rate=5, seconds=1)
KB_PER_SOCKET_MAX = 20.0
CONNECTS, QUICK_CONNECTS = 3_000, 50
CONNECTS_S_MIN = 2_000
BACK_AT_ONCE, QUICK_BACK = 1_000, 50
BACK_S_MAX = 2.0


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Fill one worker, and two or three peers, with sockets that get five updates a second."""
    found = Findings()
    load, peers = (QUICK_CROWD, []) if quick else (CROWD, [NCHAN, WS, UWEBSOCKETS])
    with arena(gateway) as place:
        crowd = place.contest(f"{load.sockets:,} x {load.rate:g}/s", load, [push_tickers], peers)
    found.rows = crowd.rows()
    found.notes = [f"left out: {peer}: {reason}" for peer, reason in crowd.left_out.items()]
    _judge_memory(found, crowd)
    judge_alike(found, crowd, PUSH)
    return found


def _judge_memory(found: Findings, crowd: Contest) -> None:
    per_socket = crowd.trials[PUSH][0].kb_per_socket
    found.judge(
        f"{crowd.title}: one worker serves all, with ≤ {KB_PER_SOCKET_MAX:g} KB per idle socket",
        f"{per_socket:.1f} KB",
        passed=per_socket <= KB_PER_SOCKET_MAX,
    )


async def measure_connects(gateway: Gateway, *, quick: bool) -> Findings:
    """Connect with a token each, first 64 at once, then all at once, to a market that has a price."""
    found = Findings()
    with arena(gateway):
        steady = _connect(gateway, QUICK_CONNECTS if quick else CONNECTS, at_once=64)
        back = _connect(gateway, QUICK_BACK if quick else BACK_AT_ONCE, at_once=BACK_AT_ONCE)
    found.rows = [steady, back]
    per_core = int(steady["connects/s of a whole core"])
    found.judge(
        f"authenticated connects ≥ {CONNECTS_S_MIN:,}/s per worker core",
        f"{per_core:,}/s, {steady['connects/s']}/s by the clock",
        passed=per_core >= CONNECTS_S_MIN,
    )
    found.judge(
        f"{back['sockets']} that come back at once all have their first update within {BACK_S_MAX:g} s",
        f"{back['with first update']} of {back['sockets']} after {back['first update of all, s']} s",
        passed=back["with first update"] == back["sockets"]
        and float(back["first update of all, s"]) <= BACK_S_MAX,
    )
    return found


def _connect(gateway: Gateway, count: int, *, at_once: int) -> Row:
    server = push_tickers(gateway)
    pin(server.pids, [SERVER_CORE])
    with feeding(server, Load(sockets=1, rate=10, seconds=1)) as feed:
        feed.publish(0.1)  # a price that every new socket is given
    openings = [server.opening(1) for _ in range(count)]
    before_s = cpu_s(server.pids)
    with receiving(server.port, openings, options="f", at_once=at_once) as receiver:
        told = receiver.told
        used_us = (cpu_s(server.pids) - before_s) / count * 1e6
    return {
        "sockets": count,
        "at once": min(at_once, count),
        "opened": told.opened,
        "refused": told.refused,
        "with first update": told.first,
        "first update of all, s": round(told.first_s, 2),
        "connects/s": round(told.opened / told.opened_s),
        "worker CPU µs per connect": round(used_us),
        "connects/s of a whole core": round(1e6 / used_us),
    }
