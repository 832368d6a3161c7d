"""What a client must know of a few keys after what was written, and what its frames may say meanwhile."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from tests.integration.native.client import TAIL, changed
from tests.integration.wire.rpc_client import Frame


@dataclass
class Written:
    """Everything that was written, by the key that frames name."""

    trades: dict[str, list[str]] = field(default_factory=dict)
    prices: dict[str, list[float]] = field(default_factory=dict)
    orders: dict[str, dict[str, float]] = field(default_factory=dict)

    def final(self, stream: str, key: str) -> Any:  # Any: whatever the stream's state is compared by
        """Return what the key holds now: a price, the ids of the newest trades, volumes of orders by id."""
        if stream == "trades":
            return self.trades[key][-TAIL:]
        return self.prices[key][-1] if stream == "tickers" else self.orders[key]

    def keys(self, stream: str) -> list[str]:
        """Return every key of a stream that anything was written to."""
        if stream == "trades":
            return list(self.trades)
        return list(self.prices if stream == "tickers" else self.orders)


def seen(stream: str, data: Any) -> Any:  # Any: as ``final``
    """Return what a state as the client has it is compared by."""
    if stream == "trades":
        return [each["trade_id"] for each in data or []]
    if stream == "tickers":
        return None if data is None else data["price"]
    return {each["order_id"]: each["volume"] for each in data or []}


class Follower:
    """What the client knows of one key of one subscription; insists on order, and in mode *every* on each number once."""

    def __init__(self, stream: str, mode: str) -> None:
        self.stream, self.mode = stream, mode
        self.seq: int | None = None
        self.data: Any = None  # Any: the stream's state
        self.whole = True
        """Whether nothing was left out since a snapshot: then the state is the key's, also of a tail."""

    def apply(self, frame: Frame) -> None:
        """Take a frame in. Raises: AssertionError."""
        assert "replay" not in frame
        if frame["type"] == "snapshot":
            assert self.seq is None or frame["seq"] >= self.seq, (self.seq, frame)
            self.whole = True
            self.data = frame["data"]
        else:
            before = self.seq or 0
            assert frame["seq"] > before, (self.mode, before, frame)
            gap = frame["seq"] - before - 1
            assert self.mode != "every" or not gap, (self.mode, before, frame)
            self.whole = self.whole and (self.stream == "tickers" or not gap)
            self.data = changed(frame["stream"], self.data, frame["data"])
        self.seq = frame["seq"]


class Slot:
    """One subscription of the client: what is asked for, what it knows, and from where it may resume."""

    def __init__(self, stream: str, key_fields: dict[str, str]) -> None:
        self.stream, self.key_fields = stream, key_fields
        self.mode: str | None = None
        self.sub = 0
        self.followers: dict[str, Follower] = {}
        self.cursor: str | None = None
        self.fresh = True
        """Whether the state has yet to be told: before, no cursor is worth keeping."""

    def forget(self) -> None:
        """Know nothing any more."""
        self.followers, self.cursor, self.fresh = {}, None, True

    def known(self) -> tuple[dict[str, Follower], str | None]:
        """Return what is known now and where that is."""
        return copy.deepcopy(self.followers), self.cursor

    def begin(self, ack: Frame, mode: str, *, resumed: bool) -> None:
        """Take the acknowledgement of a subscription in."""
        self.sub, self.mode = ack["sub"], mode
        if not resumed:
            self.forget()
        for follower in self.followers.values():
            follower.mode = mode

    def apply(self, frame: Frame) -> None:
        """Take a frame in. Raises: AssertionError."""
        assert self.mode is not None, f"not subscribed: {frame}"
        if frame["type"] == "snapshot":
            assert frame["sub"] == self.sub, (self.sub, frame)
        known = self.followers.setdefault(frame["key"], Follower(self.stream, self.mode))
        known.apply(frame)
        self.fresh = bool(frame.get("more"))
        if not self.fresh:
            self.cursor = frame["cursor"] or self.cursor
