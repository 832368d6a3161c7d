"""Snapshots over REST while the cache cannot be told: never an outage that looks empty.

A module of its own, because a relay that lives as long as a module would mark the emptied Redis as read again.
"""

from __future__ import annotations

import os
import signal
import time

from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.integration.rest.conftest import ERROR_MEMBERS, Person
from tests.integration.rest.relaying import eventually, relaying

PATHS = ("/tickers/kraken/BTC/USDC", "/orders/kraken", "/trades/kraken/BTC/USDC", "/accounts")


def test_a_cache_that_no_relay_has_read_is_503_and_not_empty(ann: Person, empty: EmbeddedRedis) -> None:
    for path in PATHS:
        answer = ann.get(path)
        assert (answer.status_code, answer.json()["error_code"]) == (503, "CACHE_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 1
        assert set(answer.json()) == ERROR_MEMBERS


def test_what_a_relay_read_before_it_went_is_told_as_not_live(ann: Person, empty: EmbeddedRedis) -> None:
    with relaying():
        assert ann.get("/tickers").json()["live"] is True
    assert ann.get("/tickers").json()["live"] is False


def test_a_redis_that_does_not_answer_is_503_within_five_seconds(ann: Person, empty: EmbeddedRedis) -> None:
    os.kill(empty.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert ann.get("/orders/kraken").status_code == 503
        assert time.monotonic() - began < 5.0
    finally:
        os.kill(empty.pid, signal.SIGCONT)
    eventually(
        lambda: ann.get("/orders/kraken").json()["error"] == "The cache has not been read yet; try again."
    )
