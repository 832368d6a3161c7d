"""How changes become bodies."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from cache_streams.protocol.rendition import PerUpdate, is_gone, payload_of
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.update import Update
from tests.unit.protocol.changes import NOW, change, snapshot

KEY = ("kraken", "BTC/USDC")
TICKER = Ticker("kraken", "BTC/USDC", 5.0)
DECODER = msgspec.json.Decoder(Ticker)


def _told(ticker: Ticker, update: Update, now: float) -> Iterable[bytes]:
    yield f"{ticker.price} {update.seq} {now}".encode()


def test_a_change_is_told_by_itself() -> None:
    assert PerUpdate(Ticker, _told).update(change(KEY, TICKER), NOW) == (f"5.0 1 {NOW}".encode(),)


def test_a_snapshot_is_the_changes_of_every_key_in_order() -> None:
    keys = [
        snapshot(KEY, change(KEY, TICKER), change(KEY, Ticker("kraken", "BTC/USDC", 6.0))),
        snapshot(("k", "x")),
    ]
    assert PerUpdate(Ticker, _told).snapshot(keys, 1.0) == [b"5.0 1 1.0", b"6.0 1 1.0"]


def test_what_is_gone_is_not_told() -> None:
    assert PerUpdate(Ticker, _told).update(change(KEY, None), NOW) == ()


def test_what_is_gone_is_told_by_those_who_say_how() -> None:
    telling = PerUpdate(Ticker, _told, gone=lambda update, now: [f"{update.key[1]} {now}".encode()])
    assert telling.update(change(KEY, None), 1.0) == (b"BTC/USDC 1.0",)


@pytest.mark.parametrize(("value", "element"), [(None, None), (None, "O1")])
def test_a_deleted_value_or_element_is_gone(value: None, element: str | None) -> None:
    gone = change(KEY, value, element=element)
    assert is_gone(gone)
    assert payload_of(gone, DECODER) is None


def test_null_is_gone_without_a_mark() -> None:
    assert is_gone(msgspec.structs.replace(change(KEY, None), deleted=False))


def test_the_canonical_object_comes_back_from_a_change() -> None:
    assert payload_of(change(KEY, TICKER), DECODER) == TICKER
