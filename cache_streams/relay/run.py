"""The relay with the deployment's settings, and the chores of whoever leads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from django.conf import settings

from accounts.postgresql.patience import limit_waits
from cache_streams.agents.archive import AgentArchive
from cache_streams.agents.ingest import run_for_ever
from cache_streams.agents.sweeping import sweep_for_ever
from cache_streams.archive import Archive
from cache_streams.connections import new_redis
from cache_streams.relay.chores import Chore, Chores, Wait
from cache_streams.relay.leader import Relay
from cache_streams.relay.term import RelayOptions
from cache_streams.streams import REGISTRY
from cache_streams.streams.agents import AGENTS

INGEST_CONSUMER = "1"


def configured_relay(archives: Mapping[str, Archive] | None = None) -> Relay:
    """Return a relay of every declared stream; call inside the event loop that runs it.

    A stream that stands on rows is carried if its rows are among ``archives``.
    """
    options = RelayOptions(
        prefix=settings.GW_PREFIX,
        shards=settings.LOG_SHARDS,
        max_entries=settings.LOG_MAX_ENTRIES,
        max_age_s=settings.LOG_MAX_AGE_S,
        bytes_budget=settings.LOG_BYTES_BUDGET,
        poll_s=settings.POLL_INTERVAL_S,
        archives=archives or {},
    )
    return Relay(new_redis(), REGISTRY, options)


async def run_relay() -> None:
    """Lead whenever the lease is free, until cancelled."""
    limit_waits(settings.DATABASE_TIMEOUT_S)
    relay = configured_relay({AGENTS.name: AgentArchive()})
    works: list[Chore] = [sweep_for_ever]
    if settings.AGENTS_INGEST:
        works.append(ingest_agents)
    chores = Chores(relay.leading.is_set, works)
    chores.start()
    try:
        await relay.run()
    finally:
        await asyncio.to_thread(chores.close)


def ingest_agents(wait: Wait) -> None:
    """Store what producers add to Redis."""
    run_for_ever(settings.GW_PREFIX, INGEST_CONSUMER, wait)
