"""Replays of one native socket: what ``replay`` of a request asks for, how many may run, and what is said when one is over."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.conf import settings

from cache_streams.consumers.native_book import Book, Member, Wanted
from cache_streams.consumers.native_since import cursor_of
from cache_streams.layers import LoopLayer
from cache_streams.outlet import Outlet
from cache_streams.places import Cursor
from cache_streams.protocol.native import frames, requests
from cache_streams.protocol.native.errors import Refused, invalid
from cache_streams.protocol.native.rendition import NativeRendition
from cache_streams.replay import Replay
from cache_streams.replay_track import NotKept
from cache_streams.subscription import Subscription

CLOCK_SKEW_S = 60.0


def check_replay(asked: requests.Subscribe, wanted: Sequence[Wanted], book: Book) -> Cursor | int | None:
    """Return from where the past is asked for: a cursor, a Unix time in ms, None when it is not. Raises: Refused."""
    if not isinstance(asked.replay, requests.Replay):
        return None
    if asked.since is not None:
        raise invalid("replay", "stands in the place of since; send one of them")
    if any(each.part is not None for each in wanted):
        raise Refused("REPLAY_UNAVAILABLE", "replay: tells whole keys, no parts of them", field="replay")
    if book.replays() >= settings.REPLAYS_PER_SOCKET:
        raise Refused(
            "REPLAY_UNAVAILABLE",
            f"replay: {settings.REPLAYS_PER_SOCKET} run on this socket, as many as may",
            field="replay",
        )
    start = asked.replay.from_
    if isinstance(start, str):
        cursor = cursor_of(start, "replay")
        if len({(each.stream.name, name) for each in wanted for name in each.partitions}) > 1:
            raise invalid("replay", "from a cursor reads one log; for several, name a Unix time")
        return cursor
    if start > time.time() + CLOCK_SKEW_S:
        raise invalid("replay", "from lies in the future; it is in seconds")
    return int(start * 1000)


class Replays:
    """Makes the replays of one socket."""

    def __init__(self, layer: LoopLayer, outlet: Outlet) -> None:
        self._layer, self._outlet = layer, outlet

    async def prepare(
        self, members: Sequence[Member], asked: requests.Subscribe, start: Cursor | int
    ) -> Replay:
        """Return a replay of prepared subscriptions, not started. Raises: Refused, ``redis.RedisError``."""
        subs = {id(member.subscription): member.sub for member in members}

        def live(subscription: Subscription, recovered: bool) -> None:  # noqa: FBT001  # a callback's positional
            sub = subs[id(subscription)]
            self._outlet.send(frames.encode(frames.Status(state="live", sub=sub, recovered=recovered)))

        stream = members[0].wanted.stream
        speed = asked.replay.speed if isinstance(asked.replay, requests.Replay) else 1.0
        replay = Replay(
            self._layer.reader,
            self._outlet,
            [member.subscription for member in members],
            rendition=NativeRendition(stream, sub=0, replay=True),
            speed=speed,
            live=live,
        )
        try:
            past = await replay.prepare(start)
        except NotKept as fault:
            begins_at = fault.begins_ms / 1000
            raise Refused(
                "REPLAY_UNAVAILABLE",
                f"replay: that past is not kept; it begins at {begins_at:.3f}",
                field="replay",
                begins_at=begins_at,
            ) from None
        for member in members:
            member.replay, member.past = replay, past
        return replay
