"""URLs that name Sentinels: what is read out of them, and what is refused."""

import pytest

from fullon_master.redis_clients import Master, database_of, parse_master


def test_a_url_of_a_server_names_no_sentinels() -> None:
    assert parse_master("redis://localhost:6379/0") is None


@pytest.mark.parametrize(
    ("url", "master"),
    [
        ("redis+sentinel://s1/gw", Master((("s1", 26379),), "gw", 0, None, None)),
        ("redis+sentinel://s1:1,s2:2/gw/3", Master((("s1", 1), ("s2", 2)), "gw", 3, None, None)),
        ("redis+sentinel://[::1]:5/gw", Master((("::1", 5),), "gw", 0, None, None)),
        ("redis+sentinel://me:p%40ss@s1:1/gw", Master((("s1", 1),), "gw", 0, "me", "p@ss")),
        ("redis+sentinel://:secret@s1:1/gw", Master((("s1", 1),), "gw", 0, None, "secret")),
    ],
)
def test_a_url_of_sentinels_names_hosts_service_and_database(url: str, master: Master) -> None:
    assert parse_master(url) == master


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("redis+sentinel://s1:1", "service"),
        ("redis+sentinel://s1:1/", "service"),
        ("redis+sentinel://s1:x/gw", "port"),
        ("redis+sentinel://s1:1,/gw", "host"),
        ("redis+sentinel://s1:1/gw/x", "database"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_rule(url: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse_master(url)


@pytest.mark.parametrize(
    ("url", "number"),
    [
        ("redis://h:1/4", 4),
        ("redis://h", 0),
        ("unix:///run/redis.sock?db=2", 2),
        ("unix:///run/redis.sock", 0),
        ("redis+sentinel://s/gw/5", 5),
    ],
)
def test_the_number_of_the_database_is_known(url: str, number: int) -> None:
    assert database_of(url) == number
