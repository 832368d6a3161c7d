"""What ends reaches every worker: sockets on two workers are closed within a second of the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
import psutil
import pytest
from redis import Redis

from tests.forged_tokens import token
from tests.integration.accounts.live_people import PASSWORD, Person, alive, beside, ends, new_person, sockets
from tests.live import ADMIN_MAIL, LiveServer, live_server
from tests.live import PASSWORD as ADMIN_PASSWORD

WITHIN_S = 1.0
EACH = 6
"""Sockets per case: the kernel spreads them over both workers, all but surely."""
REVOKED, FORBIDDEN = (1008, "auth_revoked"), (1008, "forbidden")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("revocation"), workers=2) as server:
        yield server


@pytest.fixture(scope="module")
def bob(server: LiveServer) -> Person:
    code = f"from accounts.models import User; print(User.objects.create_user('bob@fullon', {PASSWORD!r}).pk)"
    return Person(server, int(server.manage("shell", "--verbosity=0", "-c", code)), "bob@fullon")


@pytest.fixture
async def ann(server: LiveServer) -> Person:
    owns = "; ".join(
        f"Ownership.objects.create(user=user, kind='{kind}', identifier=f'{kind[0]}{{user.pk}}')"
        for kind in ("account", "bot")
    )
    from_groups = (
        "from django.contrib.auth.models import Group, Permission; user.groups.add(Group.objects.get(name='producer')); "
        "user.user_permissions.add(Permission.objects.get(codename='agent_execute'))"
    )
    return await new_person(server, f"{owns}; {from_groups}")


@pytest.mark.parametrize(
    ("change", "end"),
    [
        ("user.is_active = False; user.save()", REVOKED),
        ("user.delete()", REVOKED),
        ("user.set_password('another horse'); user.save()", REVOKED),
        ("user.set_unusable_password(); user.save()", REVOKED),
        ("user.groups.clear()", FORBIDDEN),
        ("user.user_permissions.clear()", FORBIDDEN),
        ("Permission.objects.get(codename='agent_execute').user_set.remove(user)", FORBIDDEN),
        ("Group.objects.get(name='producer').user_set.remove(user)", FORBIDDEN),
        ("Ownership.objects.filter(user=user, kind='bot').get().delete()", FORBIDDEN),
        ("own = user.ownerships.first(); own.user_id = 1; own.save()", FORBIDDEN),
    ],
)
async def test_a_change_of_a_user_ends_the_sockets_of_that_user_alone(
    server: LiveServer, ann: Person, bob: Person, change: str, end: tuple[int, str]
) -> None:
    async with AsyncExitStack() as stack:
        hers = await sockets(stack, server, count=EACH, headers=ann.bearer())
        his = await sockets(stack, server, count=2, headers=bob.bearer())
        code = (
            "import time; from accounts.models import *; from django.contrib.auth.models import Group, Permission;"
            f"user = User.objects.get(pk={ann.uid}); {change}; print(time.time())"
        )
        ending = asyncio.create_task(ends(hers))
        changed_at = float(await beside(server, code))
        for code_sent, reason, ended_at in await ending:
            assert (code_sent, reason) == end
            assert ended_at - changed_at < WITHIN_S
        await alive(his)


async def test_rights_of_a_group_that_shrink_end_sockets(server: LiveServer) -> None:
    name = f"g{time.monotonic_ns()}"
    group = "from django.contrib.auth.models import Group, Permission; group, _ = Group.objects.get_or_create"
    person = await new_person(
        server,
        f"{group}(name='{name}'); group.permissions.add(Permission.objects.get(codename='read_everything')); "
        "user.groups.add(group)",
    )
    async with AsyncExitStack() as stack:
        hers = await sockets(stack, server, count=EACH, headers=person.bearer())
        code = f"import time; {group}(name='{name}'); group.permissions.clear(); print(time.time())"
        ending = asyncio.create_task(ends(hers))
        changed_at = float(await beside(server, code))
        for code_sent, reason, ended_at in await ending:
            assert (code_sent, reason) == FORBIDDEN
            assert ended_at - changed_at < WITHIN_S


async def test_a_logout_ends_the_sockets_of_that_login_alone(server: LiveServer, ann: Person) -> None:
    ending, staying = ann.bearer(), ann.bearer()
    async with AsyncExitStack() as stack:
        gone = await sockets(stack, server, count=EACH, headers=ending)
        kept = await sockets(stack, server, count=2, headers=staying)
        assert ann.post("/auth/logout/", **ending).status_code == 200
        answered_at = time.time()
        for code, reason, ended_at in await ends(gone):
            assert (code, reason) == REVOKED
            assert ended_at - answered_at < WITHIN_S
        await alive(kept)


async def test_a_stolen_refresh_token_ends_the_sockets_of_its_family(server: LiveServer, ann: Person) -> None:
    pair = ann.log_in()
    async with AsyncExitStack() as stack:
        gone = await sockets(stack, server, count=EACH, headers={"Authorization": f"Bearer {pair['access']}"})
        for status in (200, 401):
            assert ann.post("/auth/token/refresh/", {"refresh": pair["refresh"]}).status_code == status
        assert {end[:2] for end in await ends(gone)} == {REVOKED}


async def test_a_deactivated_key_ends_its_sockets_alone(server: LiveServer, ann: Person) -> None:
    ending, staying = ann.key(), ann.key()
    async with AsyncExitStack() as stack:
        gone = await sockets(stack, server, count=EACH, headers={"X-API-Key": ending["key"]})
        kept = await sockets(stack, server, count=2, headers={"X-API-Key": staying["key"]})
        path = f"/orm/api_keys/{ending['api_key_id']}/deactivate"
        assert ann.patch(path, **ann.bearer()).status_code == 200
        answered_at = time.time()
        for code, reason, ended_at in await ends(gone):
            assert (code, reason) == REVOKED
            assert ended_at - answered_at < WITHIN_S
        await alive(kept)


async def test_a_deleted_key_ends_its_sockets(server: LiveServer, ann: Person) -> None:
    key = ann.key()
    async with AsyncExitStack() as stack:
        gone = await sockets(stack, server, count=EACH, headers={"X-API-Key": key["key"]})
        code = f"ApiKey.objects.get(pk={key['api_key_id']}).delete(); print(time.time())"
        ending = asyncio.create_task(ends(gone))
        deleted_at = float(await beside(server, f"import time; from accounts.models import ApiKey; {code}"))
        for code_sent, reason, ended_at in await ending:
            assert (code_sent, reason) == REVOKED
            assert ended_at - deleted_at < WITHIN_S


async def test_a_token_of_another_service_is_revoked_by_its_id_alone(server: LiveServer, ann: Person) -> None:
    ending, staying = (
        {"Authorization": f"Bearer {token(server.jwt_secret, user_id=ann.uid, jti=f'{name}-{ann.uid}')}"}
        for name in ("ending", "staying")
    )
    async with AsyncExitStack() as stack:
        gone = await sockets(stack, server, count=EACH, headers=ending)
        kept = await sockets(stack, server, count=2, headers=staying)
        assert ann.post("/auth/logout/", **ending).status_code == 200
        answered_at = time.time()
        for code, reason, ended_at in await ends(gone):
            assert (code, reason) == REVOKED
            assert ended_at - answered_at < WITHIN_S
        await alive(kept)


async def test_a_click_on_the_admin_site_ends_the_sockets_of_a_user(server: LiveServer, ann: Person) -> None:
    async with AsyncExitStack() as stack:
        gone = await sockets(stack, server, count=EACH, headers=ann.bearer())
        ending = asyncio.create_task(ends(gone))
        clicked_at = await asyncio.to_thread(
            click, server, {"action": "end_tokens", "_selected_action": str(ann.uid)}
        )
        for code, reason, ended_at in await ending:
            assert (code, reason) == REVOKED
            assert ended_at - clicked_at < WITHIN_S


def click(server: LiveServer, form: dict[str, str]) -> float:
    """Log in to the admin site, apply an action to users, and return when it was answered."""
    with httpx.Client(base_url=server.url, timeout=20, follow_redirects=False) as client:
        crumb = client.get("/admin/login/").cookies["csrftoken"]
        # The jar keeps secure cookies from plain HTTP; browsers make an exception for loopback.
        login = {"username": ADMIN_MAIL, "password": ADMIN_PASSWORD, "csrfmiddlewaretoken": crumb}
        entered = client.post(
            "/admin/login/?next=/admin/", data=login, headers={"Cookie": f"csrftoken={crumb}"}
        )
        assert entered.status_code == 302, entered.text
        crumb, session = entered.cookies["csrftoken"], entered.cookies["sessionid"]
        cookies = {"Cookie": f"csrftoken={crumb}; sessionid={session}"}
        done = client.post(
            "/admin/accounts/user/", data={**form, "csrfmiddlewaretoken": crumb}, headers=cookies
        )
        assert done.status_code == 302, done.text
    return time.time()


async def test_a_socket_of_a_ticket_ends_with_the_login_that_asked_for_it(
    server: LiveServer, ann: Person
) -> None:
    bearer = ann.bearer()
    async with AsyncExitStack() as stack:
        gone = await sockets(stack, server, query=f"ticket={ann.ticket(**bearer)}")
        assert ann.post("/auth/logout/", **bearer).status_code == 200
        assert {end[:2] for end in await ends(gone)} == {REVOKED}


async def test_who_is_given_more_may_stay(server: LiveServer, ann: Person) -> None:
    async with AsyncExitStack() as stack:
        kept = await sockets(stack, server, count=EACH, headers=ann.bearer())
        await beside(
            server,
            f"from accounts.models import *; user = User.objects.get(pk={ann.uid}); user.is_staff = True; user.save();"
            f"Ownership.objects.create(user=user, kind='bot', identifier='more{ann.uid}')",
        )
        await alive(kept)


async def test_changes_while_redis_forgot_them_are_found_by_looking_again(
    server: LiveServer, ann: Person
) -> None:
    async with AsyncExitStack() as stack:
        gone = await sockets(stack, server, count=EACH, headers=ann.bearer())
        # Past every signal, as another program would write: nobody is told.
        await beside(
            server,
            f"from accounts.models import *; User.objects.filter(pk={ann.uid}).update(is_active=False)",
        )
        with Redis.from_url(server.redis_url) as redis:
            redis.client_kill_filter(_type="normal", skipme=True)
        assert {end[:2] for end in await ends(gone)} == {REVOKED}


async def test_with_redis_away_a_token_ends_at_its_own_time_and_a_request_is_refused_at_once(
    server: LiveServer, ann: Person
) -> None:
    exp = int(time.time()) + 6
    bearer = {"Authorization": f"Bearer {token(server.jwt_secret, user_id=ann.uid, exp=exp)}"}
    async with AsyncExitStack() as stack:
        open_until_then = await sockets(stack, server, count=EACH, headers=bearer)
        redis = psutil.Process(server.redis_pid)
        redis.suspend()  # it keeps its connections and says nothing
        try:
            ending = asyncio.create_task(ends(open_until_then))
            await beside(
                server,
                f"from accounts.models import *; User.objects.filter(pk={ann.uid}).update(is_active=False)",
            )
            async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
                assert (await client.get("/api/v1/orm/users/me", headers=bearer)).status_code in {401, 503}
            for code, _, ended_at in await ending:
                assert code == 1008
                assert ended_at - exp < WITHIN_S
        finally:
            redis.resume()
