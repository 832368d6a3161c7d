"""One update to hundreds of sockets: what each delivered frame costs the gateway, and what it costs its peers."""

from __future__ import annotations

from benchmarks.contest import Contest, arena
from benchmarks.gateway import Gateway
from benchmarks.peers import BARE, CORE_DAPHNE, NATS, NCHAN, PLAIN, PUBSUB_UVICORN, SOCKET_IO, UWEBSOCKETS, WS
from benchmarks.receiver import is_compiled
from benchmarks.report import Findings
from benchmarks.servers import (
    PUSH,
    RPC,
    RPC_TRADES,
    TRADES,
    push_tickers,
    push_trades,
    rpc_tickers,
    rpc_trades,
)
from benchmarks.trial import Load, Trial

ROUNDS = 3
STEADY = Load(sockets=500, rate=100, seconds=3)
FAST = Load(sockets=500, rate=1000, seconds=3)
SYMBOLS = Load(sockets=200, rate=20 * 50, seconds=3, instruments=20)
QUICK_SYMBOLS = Load(sockets=5, rate=20, seconds=1, instruments=5)
QUICK = Load(sockets=20, rate=20, seconds=1)
RECEIVER_SHARE_MAX = 0.5


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Fan out at 100 updates/s to everybody's sockets, and at 1,000/s to those of servers that can."""
    found = Findings()
    if not is_compiled():
        found.notes.append(
            "no C compiler: the receiver is the Python one, which is slower than some servers here"
        )
    with arena(gateway) as place:
        if quick:
            contests = [place.contest("quick", QUICK, [push_trades], [PUBSUB_UVICORN])]
            judge_counts(found, contests[0], TRADES)
        else:
            others = [NCHAN, WS, UWEBSOCKETS, SOCKET_IO, NATS]
            steady = place.contest(
                "500 x 100/s",
                STEADY,
                [push_tickers],
                [CORE_DAPHNE, BARE, *others],
                rounds=ROUNDS,
                once=PLAIN[1:],
            )
            fast = place.contest("500 x 1,000/s", FAST, [push_trades, rpc_trades], others, rounds=ROUNDS)
            contests = [steady, fast]
            _judge(found, steady, fast)
    for contest in contests:
        found.rows += contest.rows()
        found.notes += [f"left out: {peer}: {reason}" for peer, reason in contest.left_out.items()]
    return found


async def measure_symbols(gateway: Gateway, *, quick: bool) -> Findings:
    """Fan out twenty markets, each at 50 updates/s, to sockets that follow all of them."""
    found = Findings()
    load, peers, rounds = (QUICK_SYMBOLS, [], 1) if quick else (SYMBOLS, [NCHAN, WS], ROUNDS)
    title = f"{load.sockets} on {load.instruments} symbols x {load.rate / load.instruments:g}/s"
    with arena(gateway) as place:
        contest = place.contest(title, load, [rpc_tickers], peers, rounds=rounds)
    found.rows = contest.rows()
    found.notes = [f"left out: {peer}: {reason}" for peer, reason in contest.left_out.items()]
    if not quick:
        contest.judge_ratio(found, RPC, NCHAN.name, limit=0.6, what="CPU per frame", figure=cpu)
    judge_alike(found, contest, RPC)
    return found


def cpu(trial: Trial) -> float:
    """CPU µs of the server per delivered frame."""
    return trial.cpu_us


def p99(trial: Trial) -> float:
    """Milliseconds from publishing to receiving, 99th percentile."""
    return trial.p99_ms


def _judge(found: Findings, steady: Contest, fast: Contest) -> None:
    what = "CPU per frame"
    steady.judge_ratio(found, PUSH, CORE_DAPHNE.name, limit=1 / 40, what=what, figure=cpu)
    steady.judge_ratio(found, PUSH, NCHAN.name, limit=0.9, what=what, figure=cpu)
    steady.judge_ratio(found, PUSH, WS.name, limit=0.7, what=what, figure=cpu)
    steady.judge_ratio(found, PUSH, NCHAN.name, limit=2.0, what="p99", figure=p99)
    judge_alike(found, steady, PUSH)
    judge_counts(found, fast, TRADES)
    fast.judge_ratio(found, TRADES, NCHAN.name, limit=0.5, what=what, figure=cpu)
    fast.judge_ratio(found, TRADES, UWEBSOCKETS.name, limit=0.5, what=what, figure=cpu)
    fast.judge_ratio(found, TRADES, WS.name, limit=0.4, what=what, figure=cpu)
    fast.judge_ratio(found, RPC_TRADES, TRADES, limit=1.4, what=what, figure=cpu)
    judge_counts(found, fast, RPC_TRADES)
    for contest in (steady, fast):
        share = max(trial.receiver_share for trials in contest.trials.values() for trial in trials)
        found.judge(
            f"{contest.title}: the receiver uses ≤ {RECEIVER_SHARE_MAX:.0%} of its core, or it is what is measured",
            f"{share:.0%} at most",
            passed=share <= RECEIVER_SHARE_MAX,
        )


def judge_counts(found: Findings, contest: Contest, server: str) -> None:
    """Judge that every update reached every socket."""
    trials = contest.trials[server]
    delivered, asked = sum(trial.delivered for trial in trials), sum(trial.asked for trial in trials)
    found.judge(
        f"{contest.title}: {server} delivers everything",
        f"{delivered} of {asked}",
        passed=delivered >= asked and not any(trial.closed for trial in trials),
    )


def judge_alike(found: Findings, contest: Contest, server: str) -> None:
    """Judge that no socket missed what another one got: of *latest* values the relay may leave some out for all."""
    trials = contest.trials[server]
    most = sum(trial.most for trial in trials)
    found.judge(
        f"{contest.title}: {server} gives every socket every update that its relay told",
        f"{sum(trial.fewest for trial in trials)} to {most} at each",
        passed=all(trial.fewest == trial.most and not trial.closed for trial in trials),
    )
