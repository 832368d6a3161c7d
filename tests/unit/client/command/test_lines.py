from typing import Any

import pytest

from cache_streams.client.command.lines import Lines
from cache_streams.client.command.output import Colour, Output, paint, plain
from cache_streams.client.messages import Deleted, Message
from cache_streams.streams.tickers import Ticker


def message(data: Any, **facts: Any) -> Message[Any]:  # Any: whichever stream
    known: dict[str, Any] = {"kind": "update", "stream": "s", "key": "k:BTC", "seq": 2, "cursor": "e.2"}
    return Message(data=data, **{**known, **facts})


def ticker(price: float) -> Ticker:
    return Ticker(exchange="k", symbol="BTC", price=price, time=0.0)


@pytest.fixture
def lines() -> Lines:
    return Lines(Output())


def test_a_line_tells_key_price_and_what_else_there_is(lines: Lines) -> None:
    (line,) = lines.of(message(Ticker(exchange="k", symbol="BTC", price=1.5, time=0.0, bid=1.25)))
    assert line.split()[1:] == ["k:BTC", "1.5", "bid=1.25"]


@pytest.mark.parametrize(
    ("price", "shown"), [(50000.0, "50000"), (0.00000123, "0.00000123"), (0.1 + 0.2, "0.3"), (2e12, "2e+12")]
)
def test_a_price_has_no_more_digits_than_it_needs(lines: Lines, price: float, shown: str) -> None:
    (line,) = lines.of(message(ticker(price)))
    assert line.split()[2] == shown


def test_a_list_has_a_line_for_each_element(lines: Lines) -> None:
    assert len(list(lines.of(message([ticker(1.0), ticker(2.0)])))) == 2


@pytest.mark.parametrize("data", [None, []])
def test_nothing_is_said_to_be_nothing(lines: Lines, data: object) -> None:
    (line,) = lines.of(message(data))
    assert line.endswith("nothing there")


def test_what_left_is_named(lines: Lines) -> None:
    (line,) = lines.of(message(Deleted("O1")))
    assert line.endswith("O1 left")


def test_what_was_skipped_or_lost_or_is_replayed_is_said(lines: Lines) -> None:
    (line,) = lines.of(message(ticker(1.0), missed=3, recovered=False, replay=True))
    assert line.endswith("(+3 skipped) (what was between is gone) (replay)")


def test_off_a_terminal_there_are_no_colours(lines: Lines) -> None:
    assert not any("\x1b" in line for price in (1.0, 2.0) for line in lines.of(message(ticker(price))))


def test_a_colour_ends_where_its_text_does() -> None:
    assert paint("x", Colour.UP, wanted=True) == "\x1b[32mx\x1b[0m"
    assert paint("x", Colour.UP, wanted=False) == "x"


def test_for_programs_a_message_keeps_what_it_has() -> None:
    told = plain(message(None, source_time=5.0))
    assert told == {
        "kind": "update", "stream": "s", "key": "k:BTC", "seq": 2, "cursor": "e.2", "data": None, "source_time": 5.0
    }  # fmt: skip
