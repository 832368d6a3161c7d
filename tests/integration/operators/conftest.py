"""A gateway of two workers, an operator of it, and users who have nothing yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.accounts.live_people import PASSWORD, Person
from tests.integration.operators.operator import Operator
from tests.live import LiveServer, live_server

PEOPLE = 60
_PREPARE = f"""
from django.contrib.auth.hashers import make_password
from accounts.models import User
password = make_password({PASSWORD!r})
for number in range({PEOPLE}):
    user = User.objects.create(mail=f"person{{number}}@fullon", password=password, is_staff=number % 2)
    print(user.pk, user.mail)
"""


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway of their own: the page shows every socket there is."""
    settings = {"SOCKETS_PER_USER": "0", "STALL_TIMEOUT_S": "2"}
    with live_server(tmp_path_factory.mktemp("operators"), workers=2, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def operator(gateway: LiveServer) -> Iterator[Operator]:
    with Operator.logged_in(gateway) as who:
        yield who


@pytest.fixture(scope="session")
def people(gateway: LiveServer) -> dict[bool, list[Person]]:
    """Users by whether they are staff, made in one process: each start of Django costs a second."""
    lines = gateway.manage("shell", "--verbosity=0", "-c", _PREPARE).splitlines()
    made = [Person(gateway, int(uid), mail) for uid, mail in (line.split() for line in lines)]
    return {False: made[::2], True: made[1::2]}


@pytest.fixture
def person(people: dict[bool, list[Person]]) -> Person:
    """A user whom no other test knows."""
    return people[False].pop()


@pytest.fixture
def other(people: dict[bool, list[Person]]) -> Person:
    return people[False].pop()


@pytest.fixture
def clerk(people: dict[bool, list[Person]]) -> Person:
    """Staff without any permission."""
    return people[True].pop()
