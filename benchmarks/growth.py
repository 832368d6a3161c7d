"""How the cost of a delivered frame grows with sockets, with the rate, and with symbols: three curves of one gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contest import Face, arena
from benchmarks.gateway import Gateway
from benchmarks.report import Findings, Row
from benchmarks.servers import push_trades, rpc_tickers
from benchmarks.trial import Load, Trial, run

ROUNDS = 3
GROWN = 1.3
"""How much dearer the last point of a curve may be than its cheapest: more would be growth beyond what is delivered."""
_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Curve:
    """One cause that is varied, and the load at each of its values."""

    cause: str
    face: Face
    points: Sequence[tuple[int, Load]]


def curves(*, quick: bool) -> list[Curve]:
    """Return what is varied: sockets at 25 updates/s, updates/s to 200 sockets, symbols at 1,000 updates/s in all to 100."""

    def load(sockets: int, rate: float, instruments: int = 1) -> Load:
        return Load(sockets=sockets, rate=rate, seconds=1 if quick else _SECONDS, instruments=instruments)

    sockets = (5, 10) if quick else (50, 200, 500, 1_000, 2_000, 4_000)
    rates = (10, 20) if quick else (10, 50, 100, 200, 400, 1_000, 2_000)
    symbols = (1, 2) if quick else (1, 5, 20, 50, 100)
    return [
        Curve("sockets", push_trades, [(n, load(n, 25)) for n in sockets]),
        Curve("updates/s", push_trades, [(n, load(5 if quick else 200, n)) for n in rates]),
        Curve(
            "symbols",
            rpc_tickers,
            [(n, load(5 if quick else 100, 40 if quick else 1_000, n)) for n in symbols],
        ),
    ]


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Measure each curve, once there and once back, so that what slows the machine for a minute hits no end of it alone."""
    found = Findings()
    with arena(gateway):
        for curve in curves(quick=quick):
            trials: dict[int, list[Trial]] = {value: [] for value, _ in curve.points}
            for number in range(1 if quick else ROUNDS):
                for value, load in curve.points if number % 2 == 0 else reversed(curve.points):
                    trials[value].append(run(curve.face(gateway), load))
            found.rows += [_row(curve.cause, value, trials[value]) for value, _ in curve.points]
            _judge(found, curve.cause, trials)
    return found


def cheapest(trials: Sequence[Trial]) -> Trial:
    """Return the trial in which a frame cost least: what else ran on the machine only adds."""
    return min(trials, key=lambda trial: trial.cpu_us)


def _row(cause: str, value: int, trials: Sequence[Trial]) -> Row:
    best = cheapest(trials)
    return {
        "curve": cause,
        "at": value,
        "CPU µs per frame": round(best.cpu_us, 2),
        "server core %": round(100 * best.cpu_share, 1),
        "delivered": best.delivered,
        "asked": best.asked,
        "p99 ms": round(best.p99_ms, 1),
    }


def _judge(found: Findings, cause: str, trials: dict[int, list[Trial]]) -> None:
    costs = [cheapest(of_value).cpu_us for of_value in trials.values()]
    found.judge(
        f"{cause}: a frame at {max(trials):,} costs ≤ {GROWN:g} x what it costs where it is cheapest before",
        f"{costs[-1]:.2f} against {min(costs[:-1]):.2f} µs",
        passed=costs[-1] <= GROWN * min(costs[:-1]),
    )
