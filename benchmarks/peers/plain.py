"""A plain Channels application, with either layer of channels_redis, on Daphne and on uvicorn."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from benchmarks.machine import BASE
from benchmarks.peers.peer import Peer
from benchmarks.processes import family, free_port, serving
from benchmarks.receiver import Opening, upgrade
from benchmarks.servers import Places, Server
from benchmarks.updates import channel

_APPLICATION = "benchmarks.peers.plain_channels.asgi:application"
LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


def _command(server: str, port: int) -> list[str]:
    if server == "daphne":
        return [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), _APPLICATION]
    quiet = ["--log-level", "warning", "--no-access-log"]
    return [sys.executable, "-m", "uvicorn", "--port", str(port), *quiet, _APPLICATION]


def _peer(layer: str, server: str) -> Peer:
    name = f"Channels, {layer} layer, {server}"

    @contextmanager
    def start(places: Places) -> Iterator[Server]:
        port = free_port()
        environment = {
            "PLAIN_LAYER": LAYERS[layer],
            "PLAIN_REDIS_URL": places.redis_url,
            "DJANGO_SETTINGS_MODULE": "benchmarks.peers.plain_channels.settings",
        }
        with serving(_command(server, port), port, places.log(server), cwd=BASE, env=environment) as pid:
            yield Server(
                name=name,
                port=port,
                pids=family(pid),
                opening=lambda _: Opening(upgrade(port, f"/ws/{channel(0)}/")),
                feed=("groups", f"{LAYERS[layer]} {places.redis_url}"),
            )

    def run(places: Places) -> AbstractContextManager[Server]:
        return start(places)

    return Peer(name, lambda: None, run)


CORE_DAPHNE = _peer("core", "daphne")
PUBSUB_DAPHNE = _peer("pubsub", "daphne")
CORE_UVICORN = _peer("core", "uvicorn")
PUBSUB_UVICORN = _peer("pubsub", "uvicorn")
