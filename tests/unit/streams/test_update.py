"""Updates as they stand in the log."""

from __future__ import annotations

import msgspec

from cache_streams.streams.update import Update


def update(extras: bytes | None) -> Update:
    return Update(("kraken", "BTC/USDC"), 1, b"null", None, 5.0, extras=extras)


def test_an_update_without_stored_facts_has_none() -> None:
    assert update(None).extra() == {}


def test_stored_facts_come_back_as_they_were_stored() -> None:
    assert update(b'{"trade_id":12345678901234567890}').extra() == {"trade_id": 12345678901234567890}


def test_an_update_survives_the_log() -> None:
    whole = update(b"{}")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=Update) == whole
