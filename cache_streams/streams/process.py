"""Processes: what every service of the deployment says of itself, and how long ago."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from cache_streams.streams import values
from cache_streams.streams.declaration import Audience, Beacons, Kind, Malformed, Mode, Names, Record, Stream

PROCESS_TYPES = (
    "tick",
    "ohlcv",
    "bot",
    "account",
    "order",
    "bot_status_service",
    "crawler",
    "user_trades_service",
)
"""Every type of process that a deployment has."""

STALE_AFTER_S = 300.0
"""Age of a heartbeat, or of a registration, beyond which its process counts as stale, or as not active."""

_ISO_MEMBERS = ("created_at", "updated_at", "heartbeat")


class Process(msgspec.Struct, frozen=True):
    """One process: times in Unix seconds, 0.0 when unreadable; ``age_s`` whole seconds since its last sign of life."""

    process_id: str
    type: str
    component: str
    status: str
    message: str | None
    params: dict[str, Any]  # Any: JSON as a service stored it
    created: float
    updated: float
    heartbeat: float
    age_s: float
    stale: bool


def decode(names: Names, raw: bytes, seen: str | None, now: float) -> Record:
    """Read ``process:data:{process_id}`` with the ISO time at which ``process:active:{type}`` last saw it, if it did.

    ``now`` in Unix seconds makes ``age_s``, ``stale`` and the extras' ``active``.
    Raises: Malformed ``type`` when neither the id nor the JSON names one of ``PROCESS_TYPES``.
    """
    process_id = values.name(names["process_id"])
    stored = values.json_object(raw)
    kind, component = _identity(process_id, stored)
    created, updated, heartbeat = (values.epoch(stored.get(member)) for member in _ISO_MEMBERS)
    alive = next((time for time in (heartbeat, updated, created) if time is not None), now)
    active_at = values.epoch(seen)
    params = stored.get("params")
    process = Process(
        process_id=process_id,
        type=kind,
        component=component,
        status=values.text(stored.get("status")) or "unknown",
        message=values.text(stored.get("message")),
        params=params if isinstance(params, dict) else {},
        created=created or 0.0,
        updated=updated or 0.0,
        heartbeat=heartbeat or 0.0,
        age_s=float(round(max(now - alive, 0.0))),
        stale=heartbeat is None or now - heartbeat > STALE_AFTER_S,
    )
    extras = {member: values.text(stored.get(member)) for member in _ISO_MEMBERS} | {
        "active_at": active_at,
        "active": active_at is not None and now - active_at <= STALE_AFTER_S,
    }
    return Record(key=(kind,), value=process, element=process_id, extras=extras, time=updated)


def unaged(record: Record) -> Record:
    """Return the record with its age at zero: what makes two looks at an unchanged process equal."""
    if not isinstance(record.value, Process):
        return record
    return dataclasses.replace(record, value=msgspec.structs.replace(record.value, age_s=0.0))


def changes_at(record: Record, now: float) -> float | None:
    """Return when the process next turns stale or inactive by silence alone, None for never."""
    heartbeat = record.value.heartbeat if isinstance(record.value, Process) else 0.0
    signs = (heartbeat or None, (record.extras or {}).get("active_at"))
    return min((sign + STALE_AFTER_S for sign in signs if sign and sign + STALE_AFTER_S >= now), default=None)


def _identity(process_id: str, stored: dict[str, Any]) -> tuple[str, str]:  # Any: JSON as a service stored it
    """Return type and component, from the id ``{type}:{component}:{epoch}`` or from the JSON."""
    told, _, rest = process_id.partition(":")
    component = values.text(stored.get("component")) or rest.rpartition(":")[0] or process_id
    for kind in (told, stored.get("process_type")):
        if kind in PROCESS_TYPES:
            return kind, component
    raise Malformed("type")


PROCESS = Stream(
    name="process",
    payload=Process,
    key_fields=("type",),
    kind=Kind.COLLECTION,
    mode=Mode.LATEST,
    audience=Audience.STAFF,
    layout=Beacons(
        "process:data:{process_id}", "process:active:{type}", decode, compare=unaged, changes_at=changes_at
    ),
)
