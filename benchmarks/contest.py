"""The same load on the gateway and on its peers, in turn, several times over; ratios are medians of pairs of one round."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.gateway import Gateway
from benchmarks.peers import Peer
from benchmarks.processes import OTHER_CORES, pin
from benchmarks.report import Findings, Row
from benchmarks.servers import Places, Server
from benchmarks.trial import Load, Trial, run
from cache_streams.server.embedded_redis import EmbeddedRedis

Face = Callable[[Gateway], Server]
"""One way to use the gateway."""


@dataclass(slots=True)
class Contest:
    """Trials by server, one per round; ``left_out`` says which peers were not there, and what they lack."""

    title: str
    load: Load
    trials: dict[str, list[Trial]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def of(self, server: str, figure: Callable[[Trial], float]) -> float:
        """Return the median of a figure over the rounds."""
        return median(map(figure, self.trials[server]))

    def ratio(self, ours: str, theirs: str, figure: Callable[[Trial], float]) -> float:
        """Return the median, over the rounds, of our figure divided by theirs."""
        pairs = zip(self.trials[ours], self.trials[theirs], strict=True)
        return median(figure(our) / max(figure(their), 1e-9) for our, their in pairs)

    def rows(self) -> list[Row]:
        """Return a row per server."""
        return [self._row(name) for name in self.trials]

    def _row(self, name: str) -> Row:
        trials = self.trials[name]
        beside = {part for trial in trials for part in trial.beside_us}
        others = {part: median(trial.beside_us[part] for trial in trials) for part in sorted(beside)}
        return {
            "load": self.title,
            "server": name,
            "CPU µs per frame": round(self.of(name, lambda t: t.cpu_us), 2),
            "delivered": sum(trial.delivered for trial in trials),
            "asked": sum(trial.asked for trial in trials),
            "delivered %": round(100 * self.of(name, lambda t: t.delivered_share), 1),
            "p50 ms": round(self.of(name, lambda t: t.p50_ms), 1),
            "p99 ms": round(self.of(name, lambda t: t.p99_ms), 1),
            "KB per socket": round(max(trial.kb_per_socket for trial in trials), 1),
            "connects/s": round(self.of(name, lambda t: t.connects_s)),
            "frame bytes": round(self.of(name, lambda t: t.frame_bytes)),
            "server core %": round(100 * self.of(name, lambda t: t.cpu_share)),
            "receiver core %": round(100 * self.of(name, lambda t: t.receiver_share)),
            "beside, µs per update": ", ".join(f"{part} {us:.0f}" for part, us in others.items()),
        }

    def judge_ratio(
        self,
        found: Findings,
        ours: str,
        theirs: str,
        *,
        limit: float,
        what: str,
        figure: Callable[[Trial], float],
    ) -> None:
        """Judge that our figure is at most ``limit`` times theirs; note it if they are not there."""
        limit_text = f"1/{1 / limit:.0f}" if limit < 0.1 else f"{limit:g}"  # noqa: PLR2004  # as people say it
        rule = f"{self.title}: {what} of {ours} ≤ {limit_text} x {theirs}"
        if theirs not in self.trials:
            found.notes.append(f"not judged: {rule}: {self.left_out.get(theirs, 'not asked for')}")
            return
        ratio = self.ratio(ours, theirs, figure)
        numbers = f"{self.of(ours, figure):.2f} against {self.of(theirs, figure):.2f}"
        found.judge(rule, f"{ratio:.3f} ({numbers})", passed=ratio <= limit)


@dataclass(frozen=True, slots=True)
class Arena:
    """Where contests take place: the gateway, and a Redis and a directory for its peers."""

    gateway: Gateway
    places: Places

    def contest(
        self,
        title: str,
        load: Load,
        faces: Sequence[Face],
        peers: Sequence[Peer],
        *,
        rounds: int = 1,
        once: Sequence[Peer] = (),
    ) -> Contest:
        """Run the load on every face of the gateway and every peer that is there, ``rounds`` times; on ``once`` only once."""
        contest = Contest(title, load)
        for number in range(rounds):
            joining = peers if number else [*peers, *once]
            turns: list[Callable[[], AbstractContextManager[Server]]] = [
                *(lambda face=face: nullcontext(face(self.gateway)) for face in faces),
                *(lambda peer=peer: self._started(peer) for peer in joining if _is_there(peer, contest)),
            ]
            for turn in turns if number % 2 == 0 else reversed(turns):
                self._trial(contest, turn)
        return contest

    @contextmanager
    def _started(self, peer: Peer) -> Iterator[Server]:
        with peer.start(self.places) as server:
            yield server

    def _trial(self, contest: Contest, turn: Callable[[], AbstractContextManager[Server]]) -> None:
        with turn() as server:
            trial = run(server, contest.load)
        contest.trials.setdefault(trial.server, []).append(trial)
        print(
            f"{contest.title}: {trial.server}: {trial.cpu_us:.2f} µs per frame, "
            f"{trial.delivered} of {trial.asked}, p99 {trial.p99_ms:.1f} ms, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


def _is_there(peer: Peer, contest: Contest) -> bool:
    lacking = peer.missing()
    if lacking is not None:
        contest.left_out[peer.name] = f"{lacking} is not installed"
    return lacking is None


@contextmanager
def arena(gateway: Gateway) -> Iterator[Arena]:
    """Prepare contests: files for thousands of sockets, a Redis for peers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with (
        EmbeddedRedis.start(tcp=True) as redis,
        tempfile.TemporaryDirectory(prefix="gw-bench-peers-") as directory,
    ):
        pin([redis.pid], OTHER_CORES)
        yield Arena(gateway, Places(Path(directory), redis.url))
