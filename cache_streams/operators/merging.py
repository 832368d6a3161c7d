"""What several workers answered, as one picture: totals added, rows and people in one order, samples together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cache_streams import hops
from cache_streams.facts import Facts
from cache_streams.hops import Percentiles
from cache_streams.operators.asking import Answers
from cache_streams.operators.questions import Load, Order, Person, Seen


@dataclass(frozen=True, slots=True)
class Row:
    """One socket, and the worker that holds it."""

    worker: str
    facts: Facts

    @property
    def cold(self) -> int:
        """Subscriptions that catch up on their own."""
        return sum(not each.hot for each in self.facts.memberships)

    @property
    def behind(self) -> int:
        """Updates that it has yet to be told."""
        return sum(each.behind for each in self.facts.memberships)

    @property
    def streams(self) -> str:
        """The names of the streams that it subscribes to."""
        return ", ".join(sorted({each.stream for each in self.facts.memberships}))


@dataclass(frozen=True, slots=True)
class Picture:
    """All workers together; ``workers`` are what each of them saw, ``missing`` how many did not answer in time."""

    total: Seen
    workers: Sequence[tuple[str, Seen]]
    missing: int
    rows: Sequence[Row] = ()
    hops: dict[str, Percentiles] = field(default_factory=dict)

    @property
    def took_ms(self) -> float:
        """CPU that the slowest worker spent on its answer."""
        return max((seen.took_ms for _, seen in self.workers), default=0.0)


def merged(answers: Answers, order: Order, rows: int) -> Picture:
    """Return the picture of what was answered, with the first ``rows`` sockets of the whole."""
    workers = [(answer.worker, answer.seen) for answer in answers.answers if answer.seen is not None]
    total = Seen()
    people: dict[int, Person] = {}
    samples: dict[str, list[float]] = {}
    for _, seen in workers:
        _add(total, seen)
        for person in seen.people:
            _add_person(people, person)
        for hop, some in seen.hops.items():
            samples.setdefault(hop, []).extend(some)
    total.user_ids = list({user_id for _, seen in workers for user_id in seen.user_ids})
    total.people = sorted(people.values(), key=lambda person: -person.sockets)
    everyone = [Row(worker, facts) for worker, seen in workers for facts in seen.rows]
    return Picture(
        total,
        workers,
        answers.missing,
        in_order(everyone, order)[:rows],
        {hop: hops.percentiles(some) for hop, some in samples.items()},
    )


def in_order(rows: Iterable[Row], order: Order) -> list[Row]:
    """Return rows as the page shows them."""
    ranks = {
        "newest": lambda row: -row.facts.opened_at,
        "oldest": lambda row: row.facts.opened_at,
        "waiting": lambda row: -row.facts.waiting,
        "behind": lambda row: -row.behind,
        "taken": lambda row: -(row.facts.taken or 0),
    }
    return sorted(rows, key=ranks[order])


def _add(total: Seen, seen: Seen) -> None:
    total.sockets += seen.sockets
    total.waiting += seen.waiting
    total.full += seen.full
    total.matched += seen.matched
    for family, count in seen.families.items():
        total.families[family] = total.families.get(family, 0) + count
    for stream, load in seen.streams.items():
        sum_of = total.streams.setdefault(stream, Load())
        sum_of.subscriptions += load.subscriptions
        sum_of.cold += load.cold
        sum_of.behind += load.behind
        sum_of.skipped += load.skipped


def _add_person(people: dict[int, Person], person: Person) -> None:
    known = people.setdefault(person.user_id, Person(person.user_id, person.mail))
    known.sockets += person.sockets
    known.cold += person.cold
    known.waiting += person.waiting
