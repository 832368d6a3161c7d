import sys
from typing import Any

import pytest

from cache_streams.client.messages import Message
from cache_streams.client.tables import frame, rows
from cache_streams.streams.accounts import Account, Balance
from cache_streams.streams.positions import Position, Positions
from cache_streams.streams.trades import Trade


def message(stream: str, data: Any) -> Message[Any]:  # Any: whichever stream
    return Message(kind="snapshot", stream=stream, key="k", seq=3, cursor="e.3", data=data)


def trade(number: int) -> Trade:
    return Trade(
        exchange="kraken", symbol="BTC/USDC", trade_id=str(number), side=None, price=1.0, volume=2.0, time=3.0
    )


PLACE = {"key": "k", "seq": 3, "cursor": "e.3"}


def test_a_list_has_a_row_for_each_element() -> None:
    found = rows([message("trades", [trade(1), trade(2)])])
    assert [each["trade_id"] for each in found] == ["1", "2"]
    assert all(each.items() >= PLACE.items() for each in found)


def test_an_account_has_a_row_for_each_currency() -> None:
    account = Account("7", {"BTC": Balance(3.0, 2.0, 1.0), "USDC": Balance(6.0, 5.0, 1.0)}, 9.0)
    assert rows([message("accounts", account)]) == [
        {**PLACE, "account": "7", "currency": "BTC", "total": 3.0, "free": 2.0, "used": 1.0, "time": 9.0},
        {**PLACE, "account": "7", "currency": "USDC", "total": 6.0, "free": 5.0, "used": 1.0, "time": 9.0},
    ]


def test_positions_have_a_row_each() -> None:
    held = Position(symbol="BTC/USDC", side="long", volume=1.0, price=2.0, cost=2.0, fee=0.0, time=5.0)
    (found,) = rows([message("positions", Positions("7", (held,)))])
    assert (found["account"], found["symbol"], found["time"]) == ("7", "BTC/USDC", 5.0)


def test_a_key_that_holds_nothing_has_no_row() -> None:
    assert rows([message("tickers", None), message("trades", [])]) == []


def test_rows_become_a_frame_of_pandas() -> None:
    found = frame([message("trades", [trade(1), trade(2)])])
    assert list(found["trade_id"]) == ["1", "2"]
    assert found["price"].dtype == float


def test_without_pandas_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'fullon-stream\[pandas\]'"):
        frame([])
