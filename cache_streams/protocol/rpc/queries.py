"""What each action asks for: one closed struct per set of parameters, read from ``params`` by the rules of the wire."""

from __future__ import annotations

from typing import Self

import msgspec

from cache_streams.protocol.rpc.params import InvalidParams, Params
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.process import PROCESS_TYPES

BARS_DEFAULT = 10
BARS_LIMIT = 10_000
SINCE_MINUTES_DEFAULT = 5
SINCE_MINUTES_LIMIT = 525_600


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request asks for; as it stands, nothing in particular."""

    @classmethod
    def read(cls, params: Params) -> Self:  # noqa: ARG003  # the actions without parameters ignore what is given
        """Return the query that ``params`` hold. Raises: InvalidParams."""
        return cls()


class ExchangeQuery(Query, frozen=True):
    exchange: str

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.text("exchange"))


class MarketQuery(Query, frozen=True):
    exchange: str
    symbol: str

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.text("exchange"), params.text("symbol"))


class TickerStream(Query, frozen=True):
    """``symbols`` empty: all of the exchange."""

    exchange: str
    symbols: tuple[str, ...]

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.text("exchange"), params.text_list("symbols"))


class TradeStream(Query, frozen=True):
    """``symbol`` None: all of the exchange."""

    exchange: str
    symbol: str | None

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.text("exchange"), params.text_or_none("symbol"))


class TradeStatusQuery(Query, frozen=True):
    key: str

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.text("key", "exchange", "trade_key"))


class OrderQuery(Query, frozen=True):
    """``exchange`` None: search all of them."""

    exchange: str | None
    order_id: str

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.text_or_none("exchange"), params.identity("order_id", "ex_order_id"))


class BalanceQuery(Query, frozen=True):
    """``account``: the exchange account, which clients call ``user_id``."""

    account: int
    currency: str

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.integer("user_id"), params.text("currency", "exchange"))


class AccountQuery(Query, frozen=True):
    account: int

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.integer("exchange_id", "user_id"))


class PositionsQuery(Query, frozen=True):
    """``account`` None: every account the caller may see. ``exchange`` is that account as the client wrote it."""

    user_id: int | None
    exchange: int | float | str | None
    account: int | None

    @classmethod
    def read(cls, params: Params) -> Self:
        user_id, account = params.integer_or_none("user_id"), params.integer_or_none("exchange")
        if user_id is None and account is None:
            raise InvalidParams("user_id", "is required when exchange is absent")
        return cls(user_id, params.as_given("exchange"), account)


class BotQuery(Query, frozen=True):
    bot_id: str

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.identity("bot_id"))


class BotStream(Query, frozen=True):
    """``bot_id`` None: every bot the caller may see."""

    bot_id: str | None

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.identity_or_none("bot_id"))


class BarsQuery(Query, frozen=True):
    """``count``: the newest so many, 1 to 10,000."""

    symbol: str
    timeframe: str
    count: int

    @classmethod
    def read(cls, params: Params) -> Self:
        count = params.integer_or_none("count")
        bounded = BARS_DEFAULT if count is None else min(max(count, 1), BARS_LIMIT)
        return cls(params.text("symbol"), params.text("timeframe"), bounded)


class BarStream(Query, frozen=True):
    symbol: str
    timeframe: str

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.text("symbol"), params.text("timeframe"))


class ProcessQuery(Query, frozen=True):
    """None means any; ``since_minutes``: seen within so many minutes."""

    process_type: str | None
    component: str | None
    since_minutes: int

    @classmethod
    def read(cls, params: Params) -> Self:
        process_type = params.text_or_none("process_type")
        if process_type is not None and process_type not in PROCESS_TYPES:
            raise InvalidParams("process_type", f"must be one of {', '.join(PROCESS_TYPES)}")
        since = params.integer_or_none("since_minutes")
        if since is None:
            since = SINCE_MINUTES_DEFAULT
        if not 0 <= since <= SINCE_MINUTES_LIMIT:
            raise InvalidParams("since_minutes", f"must be between 0 and {SINCE_MINUTES_LIMIT}")
        return cls(process_type, params.text_or_none("component"), since)


class ComponentQuery(Query, frozen=True):
    component: str

    @classmethod
    def read(cls, params: Params) -> Self:
        return cls(params.text("component"))


class Unsubscribe(Query, frozen=True):
    """One of the two names the stream to end; ``request_id`` is that of the stream's own request."""

    stream_key: str | None
    request_id: Json

    @classmethod
    def read(cls, params: Params) -> Self:
        stream_key, request_id = params.as_given("stream_key"), params.as_given("request_id")
        if stream_key is None and request_id is None:
            raise InvalidParams("stream_key", "is required when request_id is absent")
        if stream_key is not None and not isinstance(stream_key, str):
            raise InvalidParams("stream_key", "must be a text")
        return cls(stream_key, request_id)
