"""One declaration and its name in the registry are a stream: read, numbered, permitted, routed and pushed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest
import uvicorn
import websockets
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter
from django.test import AsyncClient, override_settings
from redis.asyncio import Redis

from accounts.models import User
from cache_streams.connections import ask
from cache_streams.middleware import TokenAuthMiddleware
from cache_streams.relay.run import configured_relay
from cache_streams.rest.urls import cache_routes
from cache_streams.routing import websocket_routes
from cache_streams.server.frames import GatewayWebSocketProtocol
from cache_streams.streams import REGISTRY, by_name
from cache_streams.streams.declaration import Audience, HashFields, Kind, Mode, Names, Record, Stream

DEADLINE_S = 30.0


class Score(msgspec.Struct, frozen=True):
    league: str
    team: str
    points: int


def decode(names: Names, field: str, raw: bytes) -> Record:
    score = Score(names["league"], field, int(raw))
    return Record((score.league, score.team), score)


def scores(audience: Audience) -> Stream:
    return Stream(
        name="scores",
        payload=Score,
        key_fields=("league", "team"),
        kind=Kind.VALUE,
        mode=Mode.EVERY,
        audience=audience,
        partition="league",
        layout=HashFields("scores:{league}", decode),
    )


@pytest.fixture(params=[Audience.ANY_USER])
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    declared = scores(request.param)
    by_name[declared.name] = declared
    yield declared
    del by_name[declared.name]


@pytest.fixture
async def url(redis: Redis, stream: Stream) -> AsyncIterator[str]:
    """A gateway in this process whose registry has one stream more."""
    routes: Any = websocket_routes((*REGISTRY, stream))
    application: Any = ProtocolTypeRouter({"websocket": TokenAuthMiddleware(routes)})
    config = uvicorn.Config(application, port=0, ws=GatewayWebSocketProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    relay = configured_relay()
    relay._registry = (*REGISTRY, stream)
    with override_settings(REQUIRE_USER=False):
        tasks = [asyncio.create_task(server._serve()), asyncio.create_task(relay.run())]
        async with asyncio.timeout(DEADLINE_S):
            await relay.leading.wait()
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/api/v1/cache/ws/scores"
        server.should_exit = True
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        outer: Any = get_channel_layer()
        await outer.flush()


@pytest.mark.django_db(transaction=True)
async def test_its_socket_pushes_the_state_and_every_change(
    redis: Redis, url: str, token: Callable[..., str]
) -> None:
    await ask(redis, "HSET", "scores:north", "ajax", "1")
    async with asyncio.timeout(DEADLINE_S), websockets.connect(f"{url}/north/ajax?token={token()}") as socket:
        assert json.loads(await socket.recv()) == {"league": "north", "team": "ajax", "points": 1}
        await ask(redis, "HSET", "scores:north", "ajax", "3", "inter", "9")
        assert json.loads(await socket.recv()) == {"league": "north", "team": "ajax", "points": 3}
        await ask(redis, "HDEL", "scores:north", "ajax")
        assert json.loads(await socket.recv()) is None


@pytest.mark.django_db(transaction=True)
async def test_the_path_of_a_whole_log_pushes_every_key(
    redis: Redis, url: str, token: Callable[..., str]
) -> None:
    async with asyncio.timeout(DEADLINE_S), websockets.connect(f"{url}/south?token={token()}") as socket:
        await ask(redis, "HSET", "scores:south", "porto", "1", "lyon", "2")
        points = {json.loads(await socket.recv())["team"] for _ in range(2)}
        assert points == {"porto", "lyon"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stream", [Audience.STAFF], indirect=True)
async def test_its_audience_decides_who_is_pushed_anything(
    redis: Redis, url: str, token: Callable[..., str]
) -> None:
    await ask(redis, "HSET", "scores:north", "ajax", "1")
    async with asyncio.timeout(DEADLINE_S), websockets.connect(f"{url}/north/ajax?token={token()}") as socket:
        await socket.send('{"action": "ping"}')
        assert (
            json.loads(await socket.recv())["action"] == "ping"
        )  # the first frame: nothing was pushed before it


class Routes:
    """HTTP routes whose registry has one stream more."""

    urlpatterns = cache_routes((*REGISTRY, scores(Audience.ANY_USER)))


@pytest.mark.django_db(transaction=True)
async def test_rest_tells_its_keys_and_its_listing(
    redis: Redis, url: str, token: Callable[..., str], async_client: AsyncClient
) -> None:
    await ask(redis, "HSET", "scores:east", "ajax", "1", "inter", "2")
    user = await User.objects.acreate(mail="rest@example.org")
    headers = {"Authorization": f"Bearer {token(user.pk)}"}
    with override_settings(ROOT_URLCONF=Routes):
        async with asyncio.timeout(DEADLINE_S):
            while (
                await async_client.get("/api/v1/cache/scores/east/inter", headers=headers)
            ).status_code != 200:
                await asyncio.sleep(0.01)
        told = (await async_client.get("/api/v1/cache/scores/east/ajax", headers=headers)).json()
        assert (told["stream"], told["key"], told["seq"]) == ("scores", "east:ajax", 1)
        assert told["data"] == {"league": "east", "team": "ajax", "points": 1}
        listing = (await async_client.get("/api/v1/cache/scores?team=inter", headers=headers)).json()
        assert [each["key"] for each in listing["results"]] == ["east:inter"]
