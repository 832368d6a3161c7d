"""Frames as they go over the wire, one or two of each kind, for the reader of the documents; tests hold them to the schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TICKER = {
    "exchange": "kraken", "symbol": "BTC/USDC", "price": 50000.0, "bid": 49999.0, "ask": 50001.0,
    "last": 50000.0, "volume": 12.5, "change": None, "percentage": None, "time": 1795221446.188,
}  # fmt: skip
_TIMES = {"time_in": 1795221446.140, "time_out": 1795221446.141, "warnings": []}
_CURSOR = "aZ3.1795221446140-0"

EXAMPLES: Mapping[str, Sequence[Mapping[str, Any]]] = {  # Any: JSON
    "SubscribeRequest": [
        {"op": "subscribe", "id": 7, "stream": "tickers", "exchange": "kraken", "symbol": ["BTC/USDC", "ETH/USDC"]},
        {"op": "subscribe", "id": 8, "stream": "trades", "exchange": "kraken", "symbol": "BTC/USDC", "since": _CURSOR},
        {"op": "subscribe", "id": 9, "stream": "trades", "exchange": "kraken", "symbol": "*",
         "replay": {"from": 1795217846.0, "speed": 60}},
    ],
    "UnsubscribeRequest": [{"op": "unsubscribe", "id": 9, "sub": 3}, {"op": "unsubscribe", "all": True}],
    "ListRequest": [{"op": "list", "id": 10}],
    "SnapshotRequest": [{"op": "snapshot", "id": 11, "stream": "orders", "exchange": "kraken"}],
    "PartitionsRequest": [{"op": "partitions", "id": 12, "stream": "tickers"}],
    "TokenRequest": [{"op": "token", "id": 13, "token": "<a fresh access token>"}],
    "PingRequest": [{"op": "ping", "id": 14}],
    "ExplainRequest": [
        {"op": "explain", "id": 15, "request": {"op": "subscribe", "stream": "accounts", "account": "7"}}
    ],
    "SubscribeAck": [
        {"type": "ack", "op": "subscribe", "id": 7, "ok": True, **_TIMES, "subscriptions": [
            {"sub": 3, "stream": "tickers", "key": "kraken:BTC/USDC", "mode": "latest", "recovered": None, "cursor": _CURSOR}]}
    ],
    "UnsubscribeAck": [
        {"type": "ack", "op": "unsubscribe", "id": 9, "ok": True, **_TIMES, "subscriptions": [
            {"sub": 3, "stream": "tickers", "key": "kraken:BTC/USDC"}]}
    ],
    "ListAck": [
        {"type": "ack", "op": "list", "id": 10, "ok": True, **_TIMES, "subscriptions": [
            {"sub": 3, "stream": "tickers", "key": "kraken:*", "mode": "sample", "interval_ms": 250, "cursor": _CURSOR,
             "hot": True, "skipped": 517}]}
    ],
    "SnapshotAck": [
        {"type": "ack", "op": "snapshot", "id": 11, "ok": True, **_TIMES, "snapshots": [
            {"stream": "tickers", "key": "kraken:BTC/USDC", "seq": 911, "cursor": _CURSOR, "data": _TICKER}]}
    ],
    "ExplainAck": [
        {"type": "ack", "op": "explain", "id": 15, "ok": True, **_TIMES, "allowed": False,
         "rule": "FORBIDDEN: accounts 7: not yours to read", "remaining": {"subscriptions": 1023, "requests": 18}}
    ],
    "ErrorAck": [
        {"type": "ack", "op": "subscribe", "id": 7, "ok": False, **_TIMES, "error_code": "INVALID_PARAMS",
         "error": "symbol: is required for stream 'tickers'", "retryable": False, "field": "symbol"}
    ],
    "Welcome": [
        {"type": "welcome", "connection_id": "c-9f2a41d8", "user_id": 1, "protocol": "fullon.stream.v1",
         "server_time": 1795221446.140, "token_expires_at": 1795225046.0, "heartbeat_s": 15.0,
         "limits": {"subscriptions": 1024, "replays": 4, "requests_per_s": 20, "frame_bytes": 65536},
         "streams": ["tickers", "trades", "orders"], "warnings": []}
    ],
    "TickersSnapshot": [
        {"type": "snapshot", "sub": 3, "stream": "tickers", "key": "kraken:BTC/USDC", "seq": 911, "cursor": _CURSOR,
         "data": _TICKER}
    ],
    "TickersUpdate": [
        {"type": "update", "stream": "tickers", "key": "kraken:BTC/USDC", "seq": 912, "cursor": "aZ3.1795221446191-2",
         "ts": [1795221446.188, 1795221446.190], "data": _TICKER}
    ],
    "OrdersUpdate": [
        {"type": "update", "stream": "orders", "key": "kraken:account:7", "seq": 14, "cursor": "aZ3.1795221446191-3",
         "ts": [None, 1795221446.190], "data": {"deleted": "O1"}}
    ],
    "Heartbeat": [{"type": "heartbeat", "time": 1795221461.0, "behind": {"subscriptions": 2, "updates": 517}}],
    "Status": [
        {"type": "status", "state": "stale", "stream": "tickers", "partition": "kraken", "age_s": 9.2},
        {"type": "status", "state": "live", "sub": 3, "recovered": True},
        {"type": "status", "state": "draining", "reconnect_in_ms": [0, 5000], "deadline_s": 10.0},
    ],
    "TokenExpiring": [{"type": "token_expiring", "expires_at": 1795225046.0}],
    "ErrorFrame": [
        {"type": "error", "error_code": "RATE_LIMITED", "error": "too many requests, or 20 bad ones in a row",
         "retryable": True, "retry_after_ms": 10000, "incident": "3f9c0a71b2d4"}
    ],
}  # fmt: skip
"""Payloads by the name of their schema."""
