"""Pictures of a cache: what a drill calls unchanged really is."""

import redis
from redis import Redis

from benchmarks.layout import changes, picture
from cache_streams.server.embedded_redis import EmbeddedRedis


def changed_by(server: EmbeddedRedis, *command: str | int) -> set[str]:
    with Redis.from_url(server.url) as client:
        client.hset("accounts", "1", "{}")
        client.set("symbols:all", "x", ex=3600)
        client.rpush("trades:kraken:BTCUSDC", "{}")
        before = picture(client, without={"trades:kraken:BTCUSDC"})
        _send(client, *command)
        return changes(before, picture(client, without={"trades:kraken:BTCUSDC"}))


def _send(client: redis.Redis, *command: str | int) -> None:
    client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py types named commands only


def test_an_untouched_cache_is_unchanged(fresh_redis: EmbeddedRedis) -> None:
    assert changed_by(fresh_redis, "HGETALL", "accounts") == set()


def test_a_new_value_is_a_change(fresh_redis: EmbeddedRedis) -> None:
    assert changed_by(fresh_redis, "HSET", "accounts", "1", "[]") == {"accounts"}


def test_a_key_that_vanished_is_a_change(fresh_redis: EmbeddedRedis) -> None:
    assert changed_by(fresh_redis, "DEL", "accounts") == {"accounts"}


def test_a_key_that_appeared_is_a_change(fresh_redis: EmbeddedRedis) -> None:
    assert changed_by(fresh_redis, "SET", "other", "1") == {"other"}


def test_another_expiry_is_a_change(fresh_redis: EmbeddedRedis) -> None:
    assert changed_by(fresh_redis, "EXPIRE", "symbols:all", 1800) == {"symbols:all"}


def test_no_expiry_any_more_is_a_change(fresh_redis: EmbeddedRedis) -> None:
    assert changed_by(fresh_redis, "PERSIST", "symbols:all") == {"symbols:all"}


def test_the_gateways_own_keys_are_no_change(fresh_redis: EmbeddedRedis) -> None:
    assert changed_by(fresh_redis, "SET", "gw:anything", "1") == set()


def test_keys_that_are_left_out_are_no_change(fresh_redis: EmbeddedRedis) -> None:
    assert changed_by(fresh_redis, "RPUSH", "trades:kraken:BTCUSDC", "{}") == set()
