"""A gateway for agents, and users of every role in it, each test with its own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

import pytest

from tests.integration.agents_live.console import Json, Rest, minted
from tests.live import LiveServer, live_server

POOL = 60
_MAKE = f"""
import json
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from accounts.models import User
kind = ContentType.objects.get_for_model(User)
def granted(*names):
    return [Permission.objects.get_or_create(content_type=kind, codename=name)[0] for name in names]
GRANTS = dict(user=granted("read", "write", "agent_execute"), viewer=[], producer=granted("publish_any"), admin=[])
made = dict()
for role, grants in GRANTS.items():
    made[role] = []
    for number in range({POOL} if role == "user" else 8):
        user = User.objects.create_user(f"{{role}}{{number}}@agents.example", is_staff=role == "admin")
        user.user_permissions.add(*grants)
        made[role].append(user.pk)
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
        CORS_ALLOWED_ORIGINS="https://desk.example",
        LOG_LEVEL="DEBUG",
    ) as server:
        yield server


@pytest.fixture(scope="session")
def _pool(agents_server: LiveServer) -> dict[str, Iterator[int]]:
    made: dict[str, list[int]] = json.loads(agents_server.manage("shell", "--verbosity=0", "-c", _MAKE))
    return {role: iter(ids) for role, ids in made.items()}


@pytest.fixture
def people(agents_server: LiveServer, _pool: dict[str, Iterator[int]]) -> People:
    """Return what gives a user whom no other test has: ``people("viewer", permissions=["read"])``."""

    def person(role: str = "user", **claims: Json) -> Rest:
        return Rest(
            agents_server, minted(agents_server, next(_pool[role]), jti=f"t{next(_numbers)}", **claims)
        )

    return person


_numbers = itertools.count()
