"""The table of close codes."""

from __future__ import annotations

import pytest

from cache_streams.protocol import close_codes
from cache_streams.protocol.close_codes import CLOSES, OWN_CODES, REASON_BYTES_LIMIT, Close, Family, Reconnect


@pytest.mark.parametrize("close", CLOSES, ids=lambda close: f"{close.code}-{close.reason}")
def test_a_row_fits_a_close_frame_and_the_ranges(close: Close) -> None:
    assert len(close.reason.encode()) <= REASON_BYTES_LIMIT
    assert close.code in OWN_CODES or 1000 <= close.code <= 1015
    assert close.families
    assert close.meaning


def test_every_named_close_is_in_the_table_once_and_in_order() -> None:
    named = [value for value in vars(close_codes).values() if isinstance(value, Close)]
    assert sorted(CLOSES, key=lambda close: close.code) == list(CLOSES)
    assert len({(close.code, close.reason) for close in CLOSES}) == len(CLOSES)
    assert set(named) == set(CLOSES)


@pytest.mark.parametrize("family", Family)
def test_each_family_has_a_close_for_every_common_cause(family: Family) -> None:
    assert {1000, 1008, 1009, 1011, 1013, 4408, 4429} <= {
        close.code for close in close_codes.closes_of(family)
    }


def test_a_planned_stop_is_1012_to_native_clients_and_1001_to_the_others() -> None:
    assert [close_codes.shutdown(family).code for family in Family] == [1001, 1001, 1001, 1012]


@pytest.mark.parametrize("family", Family)
def test_a_family_closes_only_with_its_own_rows(family: Family) -> None:
    own = close_codes.closes_of(family)
    assert close_codes.shutdown(family) in own
    assert close_codes.token_expired(family) in own


def test_an_expired_token_is_told_as_published() -> None:
    assert [close_codes.token_expired(family).reason for family in Family] == ["Token expired"] * 3 + [
        "token_expired"
    ]


def test_a_slow_consumer_may_come_back_without_its_cursor() -> None:
    assert close_codes.SLOW_CONSUMER.code == 4408
    assert close_codes.SLOW_CONSUMER.reconnect is Reconnect.AFRESH
