"""The policy as a table, and the laws that hold for every stream and user."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.identity import Rights
from cache_streams.permissions import has_lost, may_see, visible
from cache_streams.streams import REGISTRY, by_name
from cache_streams.streams.declaration import Audience, Key, Stream

NOBODY = Rights(0)
ANN = Rights(7, accounts=frozenset({"1", "2"}), bots=frozenset({"b"}))
STAFF = Rights(1, is_staff=True)

names = st.sampled_from(
    ["1", "2", "3", "b", "c", "7", "8", "staff", "account:1", "account:3", "user:7", "bot:b"]
)
owned = st.frozensets(names)
people = st.builds(Rights, user_id=st.integers(0, 9), accounts=owned, bots=owned)


@pytest.mark.parametrize(
    ("stream", "under", "seen"),
    [
        ("tickers", ("kraken",), [("kraken",)]),
        ("trades", ("kraken", "BTC/USDC"), [("kraken", "BTC/USDC")]),
        ("ohlcv", ("BTC/USDC", "1m"), [("BTC/USDC", "1m")]),
        ("accounts", (), [("1",), ("2",)]),
        ("accounts", ("1",), [("1",)]),
        ("accounts", ("3",), []),
        ("positions", (), [("1",), ("2",)]),
        ("positions", ("01",), []),
        ("bots", (), [("b",)]),
        ("bots", ("1",), []),
        ("orders", ("kraken", "account:2"), [("kraken", "account:2")]),
        ("orders", ("kraken", "account:7"), []),
        ("orders", ("kraken", "user:7"), [("kraken", "user:7")]),
        ("orders", ("kraken", "user:1"), []),
        ("orders", ("kraken", "bot:1"), []),
        ("orders", ("kraken", "staff"), []),
        ("orders", (), []),
        ("process", (), []),
        ("process", ("bot",), []),
        ("agents", (), [("7",)]),
        ("agents", ("7",), [("7",)]),
        ("agents", ("8",), []),
    ],
)
def test_a_user_sees_market_data_and_what_is_theirs(stream: str, under: Key, seen: list[Key]) -> None:
    assert visible(by_name[stream], under, ANN) == seen


def test_orders_of_an_exchange_are_those_of_own_accounts_bots_and_of_oneself() -> None:
    seen = visible(by_name["orders"], ("kraken",), ANN)
    assert seen == [("kraken", owner) for owner in ("account:1", "account:2", "bot:b", "user:7")]


SHARED = [stream for stream in REGISTRY if stream.audience is not Audience.SELF]


@pytest.mark.parametrize("stream", SHARED, ids=lambda stream: stream.name)
def test_staff_see_everything_that_is_not_for_its_owner_alone(stream: Stream) -> None:
    assert visible(stream, (), STAFF) == [()]


@pytest.mark.parametrize("access", ["private", "open"])
def test_what_agents_say_is_for_their_user_alone_even_where_everything_is_open(
    access: str, settings: Settings
) -> None:
    settings.CACHE_ACCESS = access
    assert visible(by_name["agents"], (), STAFF) == [("1",)]
    assert not may_see(by_name["agents"], ("7",), STAFF)


@pytest.mark.parametrize("stream", SHARED, ids=lambda stream: stream.name)
def test_an_open_gateway_shows_everything_to_everybody(stream: Stream, settings: Settings) -> None:
    settings.CACHE_ACCESS = "open"
    assert visible(stream, (), NOBODY) == [()]


@pytest.mark.parametrize("stream", REGISTRY, ids=lambda stream: stream.name)
def test_who_owns_nothing_sees_nothing_that_is_private(stream: Stream) -> None:
    key = tuple("1" for _ in stream.key_fields)
    assert may_see(stream, key, NOBODY) is (stream.audience is Audience.ANY_USER)


@given(
    stream=st.sampled_from([s for s in REGISTRY if s.audience in (Audience.OWNER, Audience.SELF)]),
    mine=people,
    other=people,
)
def test_two_users_with_nothing_in_common_never_see_the_same_key(
    stream: Stream, mine: Rights, other: Rights
) -> None:
    if mine.user_id == other.user_id or mine.accounts & other.accounts or mine.bots & other.bots:
        return
    under = () if stream.owner == stream.key_fields[0] else ("kraken",)
    assert not set(visible(stream, under, mine)) & set(visible(stream, under, other))


@given(stream=st.sampled_from(REGISTRY), rights=people, parts=st.lists(names, min_size=2, max_size=2))
def test_what_is_seen_of_a_part_is_what_is_seen_of_its_keys(
    stream: Stream, rights: Rights, parts: list[str]
) -> None:
    key = tuple(parts[: len(stream.key_fields)])
    for length in range(len(key) + 1):
        seen = visible(stream, key[:length], rights)
        if any(key[: len(beginning)] == beginning for beginning in seen):
            assert may_see(stream, key, rights)


def test_a_stream_owned_by_an_unknown_kind_is_refused() -> None:
    odd = dataclasses.replace(by_name["bots"], key_fields=("planet",), owner="planet")
    with pytest.raises(ValueError, match="planet"):
        visible(odd, (), ANN)


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        (ANN, False),
        (dataclasses.replace(ANN, accounts=frozenset({"1", "2", "3"})), False),
        (dataclasses.replace(ANN, accounts=frozenset({"1"})), True),
        (dataclasses.replace(ANN, bots=frozenset()), True),
        (dataclasses.replace(ANN, accounts=frozenset(), is_staff=True), False),
        (dataclasses.replace(ANN, permissions=frozenset({"publish"})), False),
    ],
)
def test_only_less_than_before_is_a_loss(now: Rights, lost: bool) -> None:
    assert has_lost(ANN, now) is lost


def test_staff_who_become_users_have_lost() -> None:
    assert has_lost(STAFF, dataclasses.replace(STAFF, is_staff=False))


def test_a_permission_that_is_gone_is_a_loss() -> None:
    assert has_lost(dataclasses.replace(ANN, permissions=frozenset({"publish"})), ANN)


def test_ownership_is_no_matter_where_everything_is_open(settings: Settings) -> None:
    settings.CACHE_ACCESS = "open"
    assert not has_lost(ANN, dataclasses.replace(ANN, accounts=frozenset(), bots=frozenset()))
