"""What producers send: entries of each stream, key fields beside a ``value`` in the layout's own format."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cache_streams.rest.publish.fields import (
    MEMBERS_MAX,
    TEXT_CHARACTERS_MAX,
    FreeObject,
    Identifier,
    Name,
    Number,
    NumberedName,
    PlainName,
    Strict,
    Text,
    Time,
    Truth,
)
from cache_streams.streams.ohlcv import TIMEFRAMES
from cache_streams.streams.process import PROCESS_TYPES

ENTRIES_MAX = 500
_SIDES = ("buy", "sell")
_STATES = ("starting", "running", "processing", "idle", "error", "stopped")
_BAR_NUMBERS = 6


def _number(**options: Any) -> Number:  # Any: DRF's options
    return Number(required=False, allow_null=True, **options)


def _text(most: int = 64) -> Text:
    return Text(most=most, required=False, allow_null=True)


def _id() -> Identifier:
    return Identifier(required=False, allow_null=True)


class Tick(Strict):
    """A ticker; without ``time`` it is that of the request."""

    price = Number()
    time = Time(required=False)
    volume, bid, ask, last = _number(), _number(), _number(), _number()
    change, percentage = _number(), _number()


class TickerEntry(Strict):
    exchange, symbol = PlainName(), Name()
    value = Tick()


class PublishedTrade(Strict):
    """A public trade."""

    trade_id = Identifier()
    side = serializers.ChoiceField(choices=_SIDES)
    price, volume = Number(), Number(signed=False)
    time = Time()
    cost, fee = _number(), _number()
    ex_trade_id, ex_order_id, uid, ex_id = _id(), _id(), _id(), _id()
    order_type = _text()


class TradeEntry(Strict):
    exchange, symbol = PlainName(), Name()
    value = PublishedTrade()


class PublishedOrder(Strict):
    """An order; its time is that of the request, as it is of every save."""

    symbol = Name()
    side = serializers.ChoiceField(choices=_SIDES)
    status = Name()
    volume = Number(signed=False)
    final_volume = _number(signed=False)
    price, plimit, leverage, tick = _number(), _number(), _number(), _number()
    order_type, command = _text(), _text()
    reason = _text(TEXT_CHARACTERS_MAX)
    futures = Truth(required=False, allow_null=True)
    ex_order_id, bot_id, uid, ex_id, cat_ex_id = _id(), _id(), _id(), _id(), _id()


class OrderEntry(Strict):
    exchange, order_id = PlainName(), NumberedName()
    value = PublishedOrder()


class PublishedBalance(Strict):
    """What an account holds of one currency: total, of it free and used."""

    total, free, used = Number(), Number(), Number()


class AccountEntry(Strict):
    """All balances of an account, by currency."""

    account = NumberedName()
    value = serializers.DictField(child=PublishedBalance())

    def validate_value(self, value: dict[str, object]) -> dict[str, object]:
        """Bound the currencies, and leave the name of the time to it."""
        return _named(value, "date")


class PublishedPosition(Strict):
    """One open position; negative ``volume``, or ``side``, says that it is short."""

    volume, price, cost = Number(), Number(), Number()
    fee, count = Number(default=0.0), Number(default=0.0)
    side = serializers.ChoiceField(choices=("long", "short"), required=False)
    timestamp = Time(required=False)


class PositionsEntry(Strict):
    """All positions of an account, by symbol; none of them takes the account's field away."""

    account = NumberedName()
    value = serializers.DictField(child=PublishedPosition(), allow_empty=True)

    def validate_value(self, value: dict[str, object]) -> dict[str, object]:
        """Bound the symbols, and leave the name of the time to it."""
        return _named(value, "timestamp")


class BotEntry(Strict):
    """What a bot says of its feeds, by their names."""

    bot = NumberedName()
    value = serializers.DictField(child=FreeObject())

    def validate_value(self, value: dict[str, object]) -> dict[str, object]:
        """Bound the feeds."""
        return _named(value)


class BarEntry(Strict):
    """One bar: time, open, high, low, close, volume."""

    symbol = Name()
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    value = serializers.ListField(child=Number(), min_length=_BAR_NUMBERS, max_length=_BAR_NUMBERS)

    def validate_value(self, value: list[float]) -> list[float]:
        """Hold the numbers to what a bar is."""
        time, opening, high, low, close, volume = value
        Time().run_validation(time)
        if not (low <= min(opening, close) and max(opening, close) <= high):
            raise serializers.ValidationError("Open and close lie between low and high.")
        if volume < 0:
            raise serializers.ValidationError("The volume is not negative.")
        return value


class PublishedProcess(Strict):
    """A sign of life; its times are those of the request, unless ``created_at`` says since when it runs."""

    status = serializers.ChoiceField(choices=_STATES)
    message = Text(default="")
    params = FreeObject(default=dict)
    created_at = Time(required=False)


class ProcessEntry(Strict):
    """A process: ``{type}:{component}:{number}``."""

    process_id = Name()
    value = PublishedProcess()

    def validate_process_id(self, process_id: str) -> str:
        """Hold the id to the layout's form."""
        kind, _, rest = process_id.partition(":")
        component, _, number = rest.rpartition(":")
        if kind not in PROCESS_TYPES or not component or not number:
            known = ", ".join(PROCESS_TYPES)
            raise serializers.ValidationError(
                f"It is {{type}}:{{component}}:{{number}}, with a type of {known}."
            )
        return process_id


def _named(value: dict[str, object], *reserved: str) -> dict[str, object]:
    if len(value) > MEMBERS_MAX:
        raise serializers.ValidationError(f"There are at most {MEMBERS_MAX} members.")
    for name in value:
        if name in reserved:
            raise serializers.ValidationError(
                f"{name} is the name of the time, which is that of the request."
            )
        Name().run_validation(name)
    return value


ENTRIES: dict[str, type[Strict]] = {
    "tickers": TickerEntry,
    "trades": TradeEntry,
    "orders": OrderEntry,
    "accounts": AccountEntry,
    "positions": PositionsEntry,
    "bots": BotEntry,
    "ohlcv": BarEntry,
    "process": ProcessEntry,
}
"""What an entry of each stream looks like. Agent events are no values of the cache: they have a route of their own."""


def batch(stream: str) -> type[Strict]:
    """Return the shape of a request: up to ``ENTRIES_MAX`` entries, stored all or none."""
    bounds: dict[str, Any] = {
        "allow_empty": False,
        "max_length": ENTRIES_MAX,
    }  # Any: the stubs know no options of a list
    entries = ENTRIES[stream](many=True, **bounds)
    return type(f"{stream.title()}Batch", (Strict,), {"entries": entries, "__doc__": batch.__doc__})


class Published(Strict):
    """How many entries were stored; ``request_id`` finds them in the trail."""

    stream = serializers.CharField()
    accepted = serializers.IntegerField()
    request_id = serializers.CharField()
