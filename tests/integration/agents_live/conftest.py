"""A gateway for agents, and users of every role in it, each test with its own."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.integration.agents_live.console import DEADLINE_S, PATH, Json, Rest, minted
from tests.live import LiveServer, live_server

POOL = {"user": 400, "viewer": 12, "producer": 6, "admin": 6, "gone": 4}
_MAKE = f"""
import json
import time
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from accounts.models import User
kind = ContentType.objects.get_for_model(User)
GRANTS = dict(user=("read", "write", "agent_execute"), producer=("publish_any",))
made = dict()
for role, count in {POOL!r}.items():
    users = User.objects.bulk_create(
        User(mail=f"{{role}}{{number}}@agents.example", is_staff=role == "admin", is_active=role != "gone")
        for number in range(count)
    )
    made[role] = [user.pk for user in users]
    for name in GRANTS.get(role, ()):
        permission = Permission.objects.get_or_create(content_type=kind, codename=name)[0]
        permission.user_set.add(*users)
print(json.dumps(made))
"""

People = Callable[..., Rest]


@pytest.fixture(scope="session")
def agents_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway whose agents answer at once, and whose limits no test meets by accident."""
    with live_server(
        tmp_path_factory.mktemp("agents"),
        AGENT_RUNNER="demo",
        AGENTS_HEARTBEAT_S="1",
        AGENTS_FRAMES_PER_MINUTE="100000",
        PENDING_HANDSHAKES_PER_ADDRESS="0",
        CORS_ALLOWED_ORIGINS="https://desk.example",
        LOG_LEVEL="DEBUG",
    ) as server:
        yield server


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the test that needs a socket of old age last: the others let it age."""
    items.sort(key=lambda item: "alive_after_a_minute" in item.name)


@pytest.fixture(scope="session")
def idle(agents_server: LiveServer) -> Iterator[tuple[ClientConnection, float]]:
    """A socket that only listens, from the beginning on, and since when."""
    url = f"{agents_server.ws_url}{PATH}?token={minted(agents_server, 2)}"
    with connect(url, open_timeout=DEADLINE_S, max_queue=None) as one:
        yield one, time.monotonic()


@pytest.fixture(scope="session")
def _pool(agents_server: LiveServer, idle: tuple[ClientConnection, float]) -> dict[str, Iterator[int]]:
    made: dict[str, list[int]] = json.loads(agents_server.manage("shell", "--verbosity=0", "-c", _MAKE))
    return {role: iter(ids) for role, ids in made.items()}


@pytest.fixture
def people(agents_server: LiveServer, _pool: dict[str, Iterator[int]]) -> People:
    """Return what gives a user whom no other test has: ``people("viewer", permissions=["read"])``."""

    def person(role: str = "user", **claims: Json) -> Rest:
        user_id = next(_pool[role])
        token = minted(agents_server, user_id, jti=f"t{next(_numbers)}", **claims)
        return Rest(agents_server, token, user_id)

    return person


_numbers = itertools.count()
