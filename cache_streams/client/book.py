"""The subscriptions of one gateway: which frames are whose. Knows no socket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from cache_streams.client.following import Fault
from cache_streams.client.messages import MalformedFrame, SnapshotFrame, UpdateFrame
from cache_streams.client.routes import Routes
from cache_streams.client.subscription import Subscription
from cache_streams.protocol.native.frames import Ended, SubscribeAck

AnySubscription: TypeAlias = Subscription[Any]  # Any: whichever stream


@dataclass(slots=True)
class Counters:
    """What happened so far, over all connections.

    ``duplicates`` were left out, ``gaps`` were asked for again, ``unrecovered`` are resumptions that could not be whole,
    ``malformed`` are frames that nobody could read, ``untold`` are
    requests of the client's own (``unsubscribe``, ``token``) that came to nothing because the socket ended.
    """

    frames: int = 0
    duplicates: int = 0
    gaps: int = 0
    unrecovered: int = 0
    malformed: int = 0
    connections: int = 0
    untold: int = 0


class Book:
    """Subscriptions, what each follows, and the server's numbers of them on the present socket."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.subscriptions: set[AnySubscription] = set()
        self._routes: Routes[AnySubscription] = Routes()
        self._numbers: dict[int, tuple[str, str]] = {}

    def renumber(self) -> None:
        """Forget the server's numbers: a new socket has its own."""
        self._numbers.clear()

    def begun(self, subscription: AnySubscription, ack: SubscribeAck, *, more: bool) -> None:
        """Take the server's answer to ``subscribe`` in, or to a part of it if there are ``more``."""
        if subscription not in self.subscriptions:
            return  # ended while it was asked for
        stream = subscription.following.wish.stream
        begun = subscription.following.begun(ack.subscriptions, ack.warnings, more=more)
        for each in ack.subscriptions:
            for replaced in self._numbers_of(stream, [each.key]):
                del self._numbers[replaced]
            self._numbers[each.sub] = (stream, each.key)
            self._routes.add(stream, each.key, subscription)
        if not more:
            self.counters.unrecovered += begun.recovered is False
            subscription.started(begun)

    def drop(self, subscription: AnySubscription) -> list[int]:
        """Take a subscription out; return the server's numbers that nobody else here follows."""
        self.subscriptions.discard(subscription)
        self._routes.remove(subscription)
        stream = subscription.following.wish.stream
        alone = [each for each in subscription.following.followed if not self._routes.named(stream, each)]
        numbers = self._numbers_of(stream, alone)
        for number in numbers:
            del self._numbers[number]
        return numbers

    def narrowed(self, ended: Iterable[Ended]) -> set[AnySubscription]:
        """Forget what the server ended by itself; return whoever followed it."""
        told: set[AnySubscription] = set()
        for each in ended:
            told.update(self._routes.named(*self._numbers.pop(each.sub, ("", ""))))
        return told

    def snapshot(self, frame: SnapshotFrame) -> list[AnySubscription]:
        """Hand a state to whoever follows it; return them."""
        stream, pattern = self._numbers.get(frame.sub, ("", ""))
        told = self._routes.named(stream, pattern)
        for subscription in told:
            try:
                message = subscription.following.snapshot(pattern, frame)
            except MalformedFrame:
                self.counters.malformed += 1
            else:
                subscription.put(message)
        return list(told)

    def update(self, frame: UpdateFrame) -> Iterator[tuple[AnySubscription, bool]]:
        """Hand a change to whoever follows its key; yield them, and whether the server must be asked again."""
        for subscription, pattern in self._routes.of(frame.stream, frame.key):
            try:
                message = subscription.following.update(pattern, frame)
            except MalformedFrame:
                self.counters.malformed += 1
                continue
            if isinstance(message, Fault):
                self.counters.duplicates += message is Fault.REPEATED
                self.counters.gaps += message is Fault.GAP
                yield subscription, message is Fault.GAP
            else:
                subscription.put(message)
                yield subscription, False

    def live(self, number: int, *, recovered: bool) -> None:
        """Note that a replay has reached the present, with or without a loss."""
        stream, pattern = self._numbers.get(number, ("", ""))
        for subscription in self._routes.named(stream, pattern):
            self.counters.unrecovered += not recovered
            subscription.following.live(pattern, recovered=recovered)

    def _numbers_of(self, stream: str, patterns: Iterable[str]) -> list[int]:
        wanted = {(stream, pattern) for pattern in patterns}
        return [number for number, follows in self._numbers.items() if follows in wanted]
