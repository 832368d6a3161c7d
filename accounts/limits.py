"""How many requests a user and an address may send per minute: which limits a request is under, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from accounts import metrics
from accounts.attempts import address_of, neighbourhood
from accounts.counts import COUNTS, CountsUnavailable

WINDOW_S = 60
_KEPT_AS = "gateway_allowance"


@dataclass(frozen=True, slots=True)
class Limit:
    """``most`` requests per ``WINDOW_S`` of ``who``; ``name`` says in metrics which limit it is."""

    name: str
    who: str
    most: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the tightest limit of a request: ``over`` names the one that it exceeds, None when none."""

    limit: int
    remaining: int
    resets_in_s: float
    over: str | None = None


def limits_of(user_id: int | None, request: HttpRequest) -> list[Limit]:
    """Return the limits of an ordinary request; without those that are switched off (0)."""
    address = neighbourhood(address_of(request) or "")
    of_address = Limit("address", address, settings.REQUESTS_PER_MINUTE_PER_ADDRESS)
    own = [] if user_id is None else [Limit("user", str(user_id), settings.REQUESTS_PER_MINUTE_PER_USER)]
    return [limit for limit in (*own, of_address) if limit.most]


def spend(request: HttpRequest, limits: Sequence[Limit]) -> Allowance | None:
    """Count the request under each of ``limits`` and return what is left; None where nothing limits it.

    Without Redis nothing is counted and nobody is refused: a read proves who asks in any case, and what could do harm
    (tickets, what producers publish) needs Redis itself. What guards passwords must not take this function.
    """
    if not limits:
        return None
    try:
        counts = COUNTS.add([f"{limit.name}:{limit.who}" for limit in limits], WINDOW_S)
    except CountsUnavailable:
        return None
    tightest = min(
        (
            Allowance(
                limit.most,
                max(limit.most - count.count, 0),
                count.ends_in_s,
                limit.name if count.count > limit.most else None,
            )
            for limit, count in zip(limits, counts, strict=True)
        ),
        key=lambda left: (left.over is None, left.remaining),
    )
    kept = left_of(request)
    if kept is None or tightest.over is not None or tightest.remaining < kept.remaining:
        setattr(request, _KEPT_AS, tightest)
    if tightest.over is not None:
        metrics.THROTTLED.labels(tightest.over).inc()
    return tightest


def left_of(request: HttpRequest) -> Allowance | None:
    """Return what is left of the tightest limit that the request was counted under; None when it was under none."""
    kept: Allowance | None = getattr(request, _KEPT_AS, None)
    return kept
