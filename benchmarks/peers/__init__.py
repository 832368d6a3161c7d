"""Other servers that do the same job, each set up as its own documentation shows it."""

from benchmarks.peers.bare import BARE
from benchmarks.peers.native import NATS, NCHAN
from benchmarks.peers.node import SOCKET_IO, WS
from benchmarks.peers.peer import Peer
from benchmarks.peers.plain import CORE_DAPHNE, CORE_UVICORN, PUBSUB_DAPHNE, PUBSUB_UVICORN
from benchmarks.peers.uws import UWEBSOCKETS

PLAIN = (CORE_DAPHNE, PUBSUB_DAPHNE, CORE_UVICORN, PUBSUB_UVICORN)
PEERS: tuple[Peer, ...] = (*PLAIN, NCHAN, WS, UWEBSOCKETS, SOCKET_IO, NATS)

__all__ = [
    "BARE",
    "CORE_DAPHNE",
    "NATS",
    "NCHAN",
    "PEERS",
    "PLAIN",
    "PUBSUB_DAPHNE",
    "PUBSUB_UVICORN",
    "SOCKET_IO",
    "UWEBSOCKETS",
    "WS",
    "Peer",
]
