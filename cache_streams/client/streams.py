"""What can be followed, by name and with types: one method per stream, and ``subscribe`` for any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from cache_streams.client.buffers import Buffer, Policy
from cache_streams.client.following import Following, Since, Wish
from cache_streams.client.messages import Deleted, Message
from cache_streams.client.subscription import Subscription
from cache_streams.streams import by_name
from cache_streams.streams.accounts import Account
from cache_streams.streams.agents import AgentEvent
from cache_streams.streams.bots import Bot
from cache_streams.streams.declaration import Kind, Mode
from cache_streams.streams.ohlcv import Bar
from cache_streams.streams.orders import Order
from cache_streams.streams.positions import Positions
from cache_streams.streams.process import Process
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.trades import Trade

Names: TypeAlias = str | list[str]
"""A key field: one name, several, or ``"*"`` for every one."""
BUFFER = 1024


class Options(TypedDict, total=False):
    """How to follow.

    ``mode`` and ``interval_ms`` (mode ``sample``) are the server's; ``snapshot=False`` begins with the next change.
    ``since`` continues after a cursor; ``replay_from`` (a cursor or Unix seconds) at ``replay_speed`` begins in the past.
    ``policy`` and ``buffer`` bound what waits here: by default LATEST for streams whose values replace each other, and
    BLOCK for the others.
    """

    mode: Literal["every", "latest", "sample"]
    interval_ms: int
    snapshot: bool
    since: Since | None
    replay_from: str | float
    replay_speed: float
    policy: Policy
    buffer: int


class Streams(ABC):
    """The streams of a gateway."""

    @abstractmethod
    def follow(
        self, following: Following, buffer: Buffer[Message[Any]]
    ) -> Subscription[Any]:  # Any: whichever
        """Add a subscription."""

    def subscribe(
        self, stream: str, key: dict[str, Names], **options: Unpack[Options]
    ) -> Subscription[Any]:  # Any: as above
        """Follow keys of any stream, also of one that this client does not know; its data are then plain objects.

        Raises: ValueError for options that contradict each other.
        """
        wish, policy = wish_of(stream, key, options), policy_of(stream, options)
        return self.follow(Following(wish), Buffer(policy, options.get("buffer", BUFFER)))

    def tickers(
        self, exchange: Names, symbol: Names = "*", **options: Unpack[Options]
    ) -> Subscription[Ticker | None]:
        """Follow the newest state of markets."""
        return self.subscribe("tickers", {"exchange": exchange, "symbol": symbol}, **options)

    def trades(
        self, exchange: Names, symbol: Names = "*", **options: Unpack[Options]
    ) -> Subscription[list[Trade] | Trade | None]:
        """Follow trades: a snapshot is the newest 100 of a market, an update one."""
        return self.subscribe("trades", {"exchange": exchange, "symbol": symbol}, **options)

    def orders(
        self, exchange: Names, account: Names = "*", **options: Unpack[Options]
    ) -> Subscription[list[Order] | Order | Deleted | None]:
        """Follow orders; one that leaves is a ``Deleted``."""
        return self.subscribe("orders", {"exchange": exchange, "account": account}, **options)

    def accounts(self, account: Names = "*", **options: Unpack[Options]) -> Subscription[Account | None]:
        """Follow balances."""
        return self.subscribe("accounts", {"account": account}, **options)

    def positions(self, account: Names = "*", **options: Unpack[Options]) -> Subscription[Positions | None]:
        """Follow open positions."""
        return self.subscribe("positions", {"account": account}, **options)

    def bots(self, bot: Names = "*", **options: Unpack[Options]) -> Subscription[Bot | None]:
        """Follow bots: what they do, and what blocks them."""
        return self.subscribe("bots", {"bot": bot}, **options)

    def ohlcv(
        self, symbol: Names, timeframe: Names = "1m", **options: Unpack[Options]
    ) -> Subscription[Bar | None]:
        """Follow bars: each closed one, and the open one as it changes."""
        return self.subscribe("ohlcv", {"symbol": symbol, "timeframe": timeframe}, **options)

    def process(
        self, process_type: Names = "*", **options: Unpack[Options]
    ) -> Subscription[list[Process] | Process | Deleted | None]:
        """Follow processes and their heartbeats."""
        return self.subscribe("process", {"type": process_type}, **options)

    def agents(
        self, *, run: Names | None = None, thread: Names | None = None, **options: Unpack[Options]
    ) -> Subscription[list[AgentEvent] | AgentEvent | None]:
        """Follow what one's own agents report: everything, or that of some runs or threads."""
        named = {"run": run, "thread": thread}
        return self.subscribe(
            "agents", {name: key for name, key in named.items() if key is not None}, **options
        )


def wish_of(stream: str, key: dict[str, Names], options: Options) -> Wish:
    """Return what to ask the server. Raises: ValueError."""
    fields: dict[str, Any] = dict(key)  # Any: JSON of a request
    for name in ("mode", "interval_ms", "snapshot"):
        if name in options:
            fields[name] = options[name]
    if "replay_from" not in options:
        if "replay_speed" in options:
            raise ValueError("replay_speed: has no meaning without replay_from")
        return Wish(stream=stream, fields=fields, since=options.get("since"))
    if options.get("since") is not None:
        raise ValueError("since: contradicts replay_from; pass one of them")
    replay = {"from": options["replay_from"], "speed": options.get("replay_speed", 1)}
    return Wish(stream=stream, fields=fields, replay=replay)


def policy_of(stream: str, options: Options) -> Policy:
    """Return what happens when the program reads too slowly. Raises: ValueError."""
    declared = by_name.get(stream)
    replacing = declared is not None and declared.kind is Kind.VALUE
    policy = options.get("policy")
    if policy is None:
        every = declared is None or options.get("mode", declared.mode.value) == Mode.EVERY.value
        return Policy.LATEST if replacing and not every else Policy.BLOCK
    if policy is Policy.LATEST and not replacing:
        raise ValueError(f"policy: latest would lose elements of {stream}; choose another one")
    return policy
