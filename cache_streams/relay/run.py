"""The relay with the deployment's settings."""

from __future__ import annotations

from django.conf import settings

from cache_streams.connections import new_redis
from cache_streams.relay.leader import Relay
from cache_streams.relay.term import RelayOptions
from cache_streams.streams import REGISTRY


def configured_relay() -> Relay:
    """Return a relay of every declared stream; call inside the event loop that runs it."""
    options = RelayOptions(
        prefix=settings.GW_PREFIX,
        shards=settings.LOG_SHARDS,
        max_entries=settings.LOG_MAX_ENTRIES,
        max_age_s=settings.LOG_MAX_AGE_S,
        poll_s=settings.POLL_INTERVAL_S,
    )
    return Relay(new_redis(), REGISTRY, options)


async def run_relay() -> None:
    """Lead whenever the lease is free, until cancelled."""
    await configured_relay().run()
