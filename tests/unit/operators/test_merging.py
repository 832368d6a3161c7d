"""What workers answer, put together: the picture of the whole, however its sockets are spread."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from accounts.identity import Identity
from cache_streams.authentication import Login
from cache_streams.facts import Facts, Membership
from cache_streams.operators.asking import Answers
from cache_streams.operators.counting import AT_ONCE, counted
from cache_streams.operators.merging import Picture, merged
from cache_streams.operators.questions import ORDERS, Answer, Look, Order, Wanted
from cache_streams.protocol.close_codes import Close, Family

WORKERS = 3


@dataclass
class Still:
    """A socket at rest, with the facts that are counted."""

    socket_id: str
    user_id: int
    opened_at: float
    waiting: int
    subscribed: list[Membership]

    family: ClassVar[Family] = Family.NATIVE
    path: ClassVar[str] = "/api/v1/stream"
    address: ClassVar[str] = "10.0.0.1"

    @property
    def login(self) -> Login:
        mail = f"user{self.user_id}@fullon"
        return Login(Identity(self.user_id, mail, "", is_staff=False, is_active=True), None)

    def end(self, close: Close, rule: str = "") -> None:
        raise AssertionError("nobody closes a socket that is looked at")

    def drain(self) -> None:
        raise AssertionError("as above")

    def announce_end(self, reconnect_within_s: float, deadline_s: float) -> bool:
        raise AssertionError("as above")

    def waiting_bytes(self) -> int:
        return self.waiting

    def taken_bytes(self) -> int | None:
        return 2 * self.waiting

    def memberships(self) -> list[Membership]:
        return self.subscribed

    def facts(self) -> Facts:
        return Facts(
            self.socket_id, self.user_id, self.login.identity.mail, self.family.value, self.path, self.address,
            self.opened_at, self.waiting, self.taken_bytes(), self.subscribed, [], [],
        )  # fmt: skip


memberships = st.lists(
    st.builds(
        Membership,
        st.sampled_from(["tickers", "trades"]),
        st.booleans(),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=3,
)
sockets = st.lists(
    st.builds(
        Still,
        socket_id=st.uuids().map(lambda each: f"c-{each.hex[:16]}"),
        user_id=st.integers(1, 4),
        opened_at=st.floats(0, 1e9),
        waiting=st.integers(0, 9),
        subscribed=memberships,
    ),
    max_size=20,
    unique_by=lambda each: each.socket_id,
)


def picture(parts: list[list[Still]], order: Order, rows: int, wanted: Wanted) -> Picture:
    async def answers() -> list[Answer]:
        look = Look(wanted, order, rows)
        return [Answer(f"w{number}", await counted(part, look)) for number, part in enumerate(parts)]

    return merged(Answers(len(parts), asyncio.run(answers())), order, rows)


@given(sockets, st.sampled_from(ORDERS), st.integers(1, 5), st.booleans())
def test_the_picture_is_the_same_however_sockets_are_spread(
    everyone: list[Still], order: Order, rows: int, cold: bool
) -> None:
    wanted = Wanted(cold=cold)
    whole = picture([everyone], order, rows, wanted)
    spread = picture([everyone[number::WORKERS] for number in range(WORKERS)], order, rows, wanted)
    for name in ("sockets", "waiting", "full", "matched", "families", "streams"):
        assert getattr(spread.total, name) == getattr(whole.total, name), name
    every = [each for one in everyone for each in one.subscribed]
    for stream, load in spread.total.streams.items():
        own = [each for each in every if each.stream == stream]
        assert (load.subscriptions, load.cold) == (len(own), sum(not each.hot for each in own))
        assert load.behind == sum(each.behind for each in own)
        assert load.skipped == sum(each.skipped for each in own)
    assert set(spread.total.user_ids) == {each.user_id for each in everyone}
    assert sum(person.sockets for person in spread.total.people) == len(everyone)
    ranks = {
        "newest": lambda facts: facts.opened_at,
        "oldest": lambda facts: facts.opened_at,
        "waiting": lambda facts: facts.waiting,
        "behind": lambda facts: sum(each.behind for each in facts.memberships),
        "taken": lambda facts: facts.taken,
    }
    shown = [ranks[order](row.facts) for row in spread.rows]
    assert shown == [ranks[order](row.facts) for row in whole.rows]
    assert shown == sorted(shown, reverse=order != "oldest")


@given(sockets, st.integers(1, 4))
def test_only_wanted_sockets_are_named_and_all_are_counted(everyone: list[Still], user_id: int) -> None:
    told = picture([everyone], "newest", 1_000, Wanted(user_id=user_id))
    assert {row.facts.socket_id for row in told.rows} == {
        each.socket_id for each in everyone if each.user_id == user_id
    }
    assert told.total.sockets == len(everyone)


def test_workers_that_did_not_answer_are_counted_as_missing() -> None:
    assert merged(Answers(3, [Answer("w1")]), "newest", 1).missing == 2


async def test_ten_thousand_sockets_are_counted_a_few_in_each_step_of_the_loop() -> None:
    everyone = [Still(f"c-{number:016x}", number % 50, float(number), 0, []) for number in range(10_000)]
    steps, done = 0, False

    async def others() -> None:
        nonlocal steps
        while not done:
            steps += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    seen = await counted(everyone, Look(Wanted(), "newest", 25))
    done = True
    await beside
    assert (seen.sockets, seen.matched, len(seen.rows)) == (10_000, 10_000, 25)
    assert steps >= 10_000 // AT_ONCE
