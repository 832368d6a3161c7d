"""Orders: every order of an exchange, per owner, so that no numbering shows somebody else's activity."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cache_streams.streams import values
from cache_streams.streams.declaration import Audience, HashFields, Kind, Mode, Names, Record, Stream

STAFF_OWNER = "staff"
"""Owner of orders that name no account, user or bot."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """One order: ``volume``, ``filled``, ``remaining`` in base currency, ``price`` in quote, null for market orders.

    ``time`` is Unix seconds of the last save, 0.0 when unreadable.
    """

    exchange: str
    order_id: str
    ex_order_id: str | None
    account: str | None
    bot: str | None
    user: str | None
    symbol: str | None
    side: str | None
    order_type: str | None
    volume: float
    filled: float
    remaining: float
    price: float | None
    status: str | None
    time: float


def decode(names: Names, field: str, raw: bytes, *, fallback_time: float = 0.0) -> Record:
    """Read one field of ``order_status:{exchange}``; the field is the order's id, whatever the JSON says.

    ``fallback_time`` (Unix seconds) stands for a time that is missing or unreadable.
    """
    exchange, order_id = values.name(names["exchange"]), values.name(field)
    stored = values.json_object(raw)
    account = values.identifier(stored.get("ex_id"))
    user = values.identifier(stored.get("uid"))
    bot = values.identifier(stored.get("bot_id"))
    volume = values.number(stored.get("volume")) or 0.0
    filled = values.number(stored.get("final_volume")) or 0.0
    time = values.epoch(stored.get("timestamp"))
    order = Order(
        exchange=exchange,
        order_id=order_id,
        ex_order_id=values.identifier(stored.get("ex_order_id")),
        account=account,
        bot=bot,
        user=user,
        symbol=values.text(stored.get("symbol")),
        side=values.text(stored.get("side")),
        order_type=values.text(stored.get("order_type")),
        volume=volume,
        filled=filled,
        remaining=max(volume - filled, 0.0),
        price=values.number(stored.get("price")),
        status=values.text(stored.get("status")),
        time=fallback_time if time is None else time,
    )
    return Record(key=(exchange, owner_of(account, user, bot)), value=order, element=order_id, time=time)


def owner_of(account: str | None, user: str | None, bot: str | None) -> str:
    """Return whose an order is: its account's, else its user's, else its bot's, else only staff sees it."""
    kinds: Mapping[str, str | None] = {"account": account, "user": user, "bot": bot}
    return next((f"{kind}:{identity}" for kind, identity in kinds.items() if identity), STAFF_OWNER)


ORDERS = Stream(
    name="orders",
    payload=Order,
    key_fields=("exchange", "owner"),
    kind=Kind.COLLECTION,
    mode=Mode.EVERY,
    audience=Audience.OWNER,
    owner="owner",
    layout=HashFields("order_status:{exchange}", decode),
)
