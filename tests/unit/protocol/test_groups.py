"""Names of groups, logs and shards."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cache_streams.protocol.groups import (
    LogGroup,
    NameTooLong,
    group_name,
    is_log_group,
    log_tag,
    parse_group,
    shard_of,
    wildcard_name,
    wire_key,
)

LEGAL = re.compile(r"[a-zA-Z0-9._-]+\Z")
texts = st.text(st.one_of(st.characters(), st.sampled_from(".-:/{}*_aA0")), max_size=8)
subjects = st.tuples(texts.filter(bool), st.lists(texts, min_size=1, max_size=3).map(tuple))


def named(subject: tuple[str, tuple[str, ...]]) -> str:
    try:
        return group_name(*subject)
    except NameTooLong:
        assume(False)
        raise


def test_a_group_name_can_be_read_by_people() -> None:
    assert group_name("tickers", ("kraken", "BTC/USDC")) == "tickers.kraken.BTC-2fUSDC"


@given(subjects)
@example(("t", (".", "-", "--", "a.b", "A-2e", "")))
def test_a_group_name_is_legal_and_gives_its_key_back(subject: tuple[str, tuple[str, ...]]) -> None:
    name = named(subject)
    assert LEGAL.match(name)
    assert len(name) < 100
    assert parse_group(name) == LogGroup(subject[0], subject[1], None)
    assert is_log_group(name) == subject[0]


@given(subjects, subjects)
@example(("t", ("a.b",)), ("t", ("a", "b")))
@example(("t", ("a-2fb",)), ("t", ("a/b",)))
@example(("t", ("--", "a")), ("t.--", ("a",)))
def test_two_keys_never_share_a_group(
    one: tuple[str, tuple[str, ...]], other: tuple[str, tuple[str, ...]]
) -> None:
    assert (named(one) == named(other)) == (one == other)


@given(texts.filter(bool), texts, subjects)
def test_the_group_of_a_whole_log_is_no_keys_group(
    stream: str, partition: str, subject: tuple[str, tuple[str, ...]]
) -> None:
    try:
        name = wildcard_name(stream, partition)
    except NameTooLong:
        assume(False)
        raise
    assert LEGAL.match(name)
    assert parse_group(name) == LogGroup(stream, None, partition)
    assert name != named(subject)


@pytest.mark.parametrize("make", [lambda key: group_name("t", (key,)), lambda key: wildcard_name("t", key)])
def test_a_name_of_100_characters_is_refused_with_the_rule(make: Callable[[str], str]) -> None:
    with pytest.raises(NameTooLong, match="fewer than 100") as refused:
        make("x" * 100)
    assert refused.value.stream == "t"
    assert refused.value.length >= 100


def test_a_name_of_99_characters_is_accepted() -> None:
    assert len(group_name("t", ("x" * 97,))) == 99


@pytest.mark.parametrize(
    "name",
    [
        "tickers",
        "",
        "a.-2F",
        "a.-41",
        "a.-ff",
        "a.b c",
        "a.--",
        "a.--.b.c",
        "a.b.--.c",
        "a.-2",
        "--.a",
        "x." + "y" * 98,
        "a.b\n",
    ],
)
def test_a_name_of_other_making_is_no_log_group(name: str) -> None:
    assert parse_group(name) is None
    assert is_log_group(name) is None


@given(st.text())
def test_only_names_of_our_making_are_read(name: str) -> None:
    group = parse_group(name)
    if group is not None and group.key is not None:
        assert group_name(group.stream, group.key) == name


def test_a_log_tag_can_be_read_by_people() -> None:
    assert log_tag("tickers", "kraken") == "tickers:kraken"


@given(texts, texts, texts, texts)
def test_a_log_tag_is_injective_and_cannot_break_a_hash_tag(a: str, b: str, c: str, d: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_:-]+", log_tag(a, b))
    assert (log_tag(a, b) == log_tag(c, d)) == ((a, b) == (c, d))


@given(texts, st.integers(1, 100))
def test_a_shard_is_two_digits_within_the_number_of_shards(key_part: str, shards: int) -> None:
    assert re.fullmatch("[0-9]{2}", shard_of(key_part, shards))
    assert int(shard_of(key_part, shards)) < shards


def test_a_shard_is_the_same_in_every_release() -> None:
    assert [shard_of(key, 16) for key in ("1", "2", "bot-7")] == ["06", "12", "13"]


@pytest.mark.parametrize("shards", [0, 101])
def test_an_impossible_number_of_shards_is_refused_with_the_rule(shards: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 100"):
        shard_of("1", shards)


def test_a_key_on_the_wire_is_its_parts_and_colons() -> None:
    assert wire_key(("kraken", "BTC/USDC:USDC")) == "kraken:BTC/USDC:USDC"
