"""The OpenAPI document tells the truth: thousands of odd requests get no 5xx and no answer that it does not name.

Each part is a test by itself, so that parallel workers share them: 2,000 requests and more together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from tests.integration.openapi.fuzzing import UNLIMITED, fill, run
from tests.live import PLAIN_MAIL, LiveServer, live_server

pytestmark = pytest.mark.timeout(300)
AUTH = r"^/api/v1/auth/"
PARTS = {
    "cache": (r"^/api/v1/cache", 4, 900),
    "others": (r"^/(?!api/v1/(auth|cache|orm|seeded))", 10, 600),
    "people": (r"^/api/v1/orm/", 20, 400),
}
"""Paths, how many requests are invented for each operation besides its edge cases, and how many that makes at least."""
SEEDED = r"^/api/v1/seeded$"
ALL_BUT_LOGOUT = r"^/(?!api/v1/(seeded$|auth/logout$))"
"""The trader's token has to live until the end."""
TRADER = (
    "from accounts.models import *; from django.contrib.auth.models import Group;"
    f" user = User.objects.get(mail={PLAIN_MAIL!r}); user.groups.add(Group.objects.get(name='trader'));"
    " user.ownerships.create(kind='account', identifier='7')"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The gateway, with one route more."""
    seeded = "tests.integration.openapi.seeded_settings"
    directory = tmp_path_factory.mktemp("openapi")
    with live_server(directory, workers=1, DJANGO_SETTINGS_MODULE=seeded, **UNLIMITED) as server:
        fill(server)
        server.manage("shell", "--verbosity=0", "-c", TRADER)
        yield server


@pytest.mark.parametrize("part", PARTS)
def test_no_odd_request_is_answered_as_the_document_does_not_say(
    server: LiveServer, tmp_path: Path, part: str
) -> None:
    paths, examples, requests = PARTS[part]
    outcome = run(server, tmp_path, paths, examples)
    assert outcome.found == frozenset(), outcome.log
    assert outcome.whole, outcome.log
    assert outcome.requests >= requests, outcome.log


def test_no_odd_credential_is_either(server: LiveServer, tmp_path: Path) -> None:
    outcome = run(server, tmp_path, AUTH, 30)
    assert outcome.found == frozenset(), outcome.log
    assert outcome.whole, outcome.log
    assert outcome.requests >= 250, outcome.log


@pytest.mark.parametrize(
    ("mail", "refused"),
    [(PLAIN_MAIL, {"GET /api/v1/orm/users"}), (None, {"GET /api/v1/orm/users", "GET /api/v1/orm/users/me"})],
    ids=["a trader", "nobody"],
)
def test_no_odd_request_of_others_is_either(
    server: LiveServer, tmp_path: Path, mail: str | None, refused: set[str]
) -> None:
    outcome = run(server, tmp_path, ALL_BUT_LOGOUT, 2, mail=mail, phases="examples,fuzzing")
    assert outcome.found == frozenset(), outcome.log
    assert outcome.whole, outcome.log
    assert outcome.requests >= 100, outcome.log
    assert {each for each in outcome.refused if "/orm/users" in each and "GET" in each} == refused


def test_the_same_run_finds_seeded_bugs(server: LiveServer, tmp_path: Path) -> None:
    outcome = run(server, tmp_path, SEEDED, 10)
    assert {"ServerError", "UndefinedStatusCode", "JsonSchemaError", "MissingHeaders"} <= outcome.found, (
        outcome.log
    )


def test_the_parts_together_are_every_operation_and_two_thousand_requests(client: Client) -> None:
    every = "|".join([AUTH, *(paths for paths, _, _ in PARTS.values())])
    assert [path for path in client.get("/openapi.json").json()["paths"] if not re.match(every, path)] == []
    assert sum(requests for _, _, requests in PARTS.values()) + 250 >= 2_000
