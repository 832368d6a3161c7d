"""The services of a deployment, as they report themselves: who runs, since when, and the last sign of life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cache_streams.demo.market import EXCHANGES, Stored

_REPORTED: tuple[tuple[str, str, Stored], ...] = (
    *(("tick", exchange, {"exchange": exchange, "type": "live_ticker"}) for exchange in EXCHANGES),
    ("ohlcv", f"{EXCHANGES[0]}:bars", {"exchange": EXCHANGES[0]}),
    ("account", "balances", {}),
    *(("order", exchange, {"exchange": exchange}) for exchange in EXCHANGES),
    ("bot", "1", {"bot_id": 1}),
    ("bot", "2", {"bot_id": 2}),
)


@dataclass(frozen=True, slots=True)
class Service:
    """One running process; ``created_at`` is ISO."""

    process_id: str
    type: str
    component: str
    params: Stored
    created_at: str

    def report(self, status: str, iso: str) -> Stored:
        """Return what the service stores of itself at ``iso``."""
        return {
            "process_id": self.process_id,
            "process_type": self.type,
            "component": self.component,
            "params": self.params,
            "status": status,
            "message": "demo",
            "created_at": self.created_at,
            "updated_at": iso,
            "heartbeat": iso,
        }


def services(now: float, iso: str, pid: int) -> Sequence[Service]:
    """Return the services of a deployment that started at ``now`` (Unix seconds, and the same as ``iso``)."""
    return [
        Service(f"{kind}:{component}:{now}", kind, component, {**params, "pid": pid}, iso)
        for kind, component, params in _REPORTED
    ]
