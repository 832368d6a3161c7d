"""The first frame of an agents socket."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from django.conf import settings

from accounts.identity import Identity
from cache_streams.agents.rights import Caller
from cache_streams.agents.selectors import Standing
from cache_streams.carriers import MARKER, NATIVE_PROTOCOL
from cache_streams.protocol import agent_forms
from cache_streams.protocol.agents import frames

SILENCE_PER_HEARTBEAT = 2.4
"""A client may give the socket up after so many intervals without a frame."""


def moment(seconds: float | None = None) -> str:
    """Return Unix seconds, or now, as frames tell them."""
    return agent_forms.timestamp(datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC))


def moment_or_none(seconds: float | None) -> str | None:
    """Return Unix seconds as frames tell them, None for never."""
    return None if seconds is None else moment(seconds)


def welcome(
    identity: Identity,
    caller: Caller,
    standing: Standing,
    active: Sequence[frames.ActiveRun],
    *,
    resume_after: int,
    connection_id: str,
    client_id: str | None,
    carrier: str,
    subprotocol: str | None,
    expires_at: float | None,
) -> frames.Welcome:
    """Return who the gateway takes the client for, what it may do, and where its stream stands."""
    user_id = str(identity.user_id)
    return frames.Welcome(
        connection_id=connection_id,
        client_id=client_id,
        user_id=user_id,
        username=identity.name or identity.mail,
        roles=caller.roles,
        permissions=sorted(caller.permissions),
        auth_method=carrier,
        subprotocol=subprotocol if subprotocol in (NATIVE_PROTOCOL, MARKER) else None,  # else it is a token
        token_expires_at=moment_or_none(expires_at),
        log=frames.Standing(
            log_id=standing.log_id or None,
            tail=standing.last,
            oldest=standing.floor + 1,
            resume_after=resume_after,
        ),
        active_runs=active,
        heartbeat=frames.Rhythm(
            interval_s=settings.AGENTS_HEARTBEAT_S,
            timeout_s=settings.AGENTS_HEARTBEAT_S * SILENCE_PER_HEARTBEAT,
        ),
        server_time=moment(),
        data=frames.Ids(connection_id=connection_id, user_id=user_id),
    )
