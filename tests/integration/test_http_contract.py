"""The HTTP that known clients read: bodies, statuses and headers, through Django and its middleware."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import AsyncClient, Client, RequestFactory
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.errors import server_error
from accounts.hashers import stored_form
from accounts.models import User
from accounts.tokens import issue_access_token
from cache_streams.health import CHECKER
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.conftest import TokenFactory

LOGIN = "/api/v1/auth/login"
VERIFY = "/api/v1/auth/verify"
ME = "/api/v1/orm/users/me"

PASSWORD = "correct horse"
ERROR_MEMBERS = {"detail", "success", "error_code", "error", "request_id"}
pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("Ann@Example.org", PASSWORD, name="Ann")


@pytest.fixture
def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue_access_token(user)}"}


@pytest.fixture(autouse=True)
def _fresh_counts(fresh_redis: EmbeddedRedis) -> Iterator[None]:
    yield
    CHECKER.stop()


def test_the_root_names_the_service_and_where_to_go_on(client: Client) -> None:
    assert client.get("/").json() == {
        "service": settings.API_TITLE,
        "version": "1.0.0",
        "docs": "/docs",
        "health": "/health",
        "api": "/api/v1",
    }


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/auth/login/"])
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json"])
def test_a_login_answers_token_lifetime_and_user(
    client: Client, user: User, path: str, content_type: str
) -> None:
    body = (
        f"username=ann%40example.org&password={PASSWORD.replace(' ', '+')}&grant_type=password&scope=&client_id=x"
        if "form" in content_type
        else f'{{"username": "ann@example.org", "password": "{PASSWORD}"}}'
    )
    answer = client.post(path, body, content_type=content_type)
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {"access_token", "token_type", "expires_in", "user"}
    assert (told["token_type"], told["expires_in"]) == ("bearer", 3600)
    assert told["user"] == {"uid": user.pk, "mail": "ann@example.org", "name": "Ann"}
    me = client.get("/api/v1/orm/users/me", headers={"Authorization": f"bearer {told['access_token']}"})
    assert me.json()["uid"] == user.pk


@pytest.mark.parametrize(
    ("mail", "password"),
    [("ann@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("gone@example.org", PASSWORD)],
)
def test_every_wrong_login_gets_the_same_answer(client: Client, user: User, mail: str, password: str) -> None:
    User.objects.create_user("gone@example.org", PASSWORD, is_active=False)
    answer = client.post(LOGIN, {"username": mail, "password": password}, content_type="application/json")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    told = answer.json()
    assert told.pop("request_id") == answer.headers["X-Request-ID"]
    assert told == {
        "detail": "Invalid credentials",
        "success": False,
        "error_code": "NOT_AUTHENTICATED",
        "error": "Invalid credentials",
    }


def test_a_missing_field_is_named_as_known_clients_print_it(client: Client) -> None:
    answer = client.post(LOGIN, {"username": "a@b"}, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["detail"] == [
        {"type": "missing", "loc": ["body", "password"], "msg": "Field required", "input": None}
    ]
    assert answer.json()["errors"] == {"password": ["Field required"]}


@pytest.mark.parametrize("body", ["[]", "7", '"text"', "null", '{"username": [], "password": {}}'])
def test_json_of_another_shape_is_a_validation_error(client: Client, body: str) -> None:
    answer = client.post(LOGIN, body, content_type="application/json")
    assert answer.status_code == 422
    assert set(answer.json()) == ERROR_MEMBERS | {"errors"}


@pytest.mark.parametrize("body", ["{", "", '{"username": NaN}', "[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_is_answered_without_a_failure_of_ours(client: Client, body: str | bytes) -> None:
    answer = client.post(LOGIN, body, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert set(answer.json()) >= ERROR_MEMBERS


def test_a_body_of_another_kind_is_a_validation_error_of_its_header(client: Client) -> None:
    answer = client.post(LOGIN, "<a/>", content_type="text/xml")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["header", "content-type"]


def test_a_refused_value_is_never_echoed(client: Client) -> None:
    answer = client.post(
        LOGIN, {"username": "a@b", "password": "s3cret" * 999}, content_type="application/json"
    )
    assert answer.status_code == 422
    assert b"s3cret" not in answer.content


def test_login_attempts_beyond_the_limit_are_told_when_to_come_back(
    client: Client, user: User, settings: Settings
) -> None:
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 3
    wrong = {"username": "Ann@example.org", "password": "wrong"}
    statuses = [client.post(LOGIN, wrong).status_code for _ in range(3)]
    answer = client.post(LOGIN, {"username": "ann@example.org", "password": PASSWORD})
    assert [*statuses, answer.status_code] == [401, 401, 401, 429]
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["error_code"] == "RATE_LIMITED"


def test_somebody_elses_attempts_do_not_count(client: Client, user: User, settings: Settings) -> None:
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 1
    client.post(LOGIN, {"username": "bob@example.org", "password": "x"})
    assert client.post(LOGIN, {"username": "ann@example.org", "password": PASSWORD}).status_code == 200


def test_successful_logins_are_not_limited(client: Client, user: User, settings: Settings) -> None:
    settings.LOGIN_ATTEMPTS_PER_MINUTE = 2
    right = {"username": "ann@example.org", "password": PASSWORD}
    assert {client.post(LOGIN, right).status_code for _ in range(5)} == {200}


def test_a_login_asks_the_database_once(
    client: Client, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert client.post(LOGIN, {"username": user.mail, "password": PASSWORD}).status_code == 200


def test_verify_tells_what_the_token_says(client: Client, user: User, bearer: dict[str, str]) -> None:
    for path in (VERIFY, f"{VERIFY}/"):
        assert client.get(path, headers=bearer).json() == {
            "user_id": user.pk,
            "username": "ann@example.org",
            "email": "ann@example.org",
            "is_active": True,
        }


def test_verify_does_not_ask_the_user_store(
    client: Client, bearer: dict[str, str], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert client.get(VERIFY, headers=bearer).status_code == 200


@pytest.mark.parametrize(
    ("claims", "detail"),
    [
        ({"exp": 1}, "Invalid authentication token"),
        ({"username": "a@b"}, "Invalid token payload"),
        ({"email": "a@b"}, "Invalid token payload"),
        ({"user_id": None, "username": "a@b", "email": "a@b"}, "Invalid token payload"),
        ({"secret": "x" * 32}, "Invalid authentication token"),
    ],
)
def test_verify_says_whether_token_or_payload_is_wrong(
    client: Client, token: TokenFactory, claims: dict[str, str], detail: str
) -> None:
    answer = client.get(VERIFY, headers={"Authorization": f"Bearer {token(**claims)}"})
    assert (answer.status_code, answer.json()["detail"]) == (401, detail)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}])
def test_verify_without_a_token_is_401(client: Client, header: dict[str, str]) -> None:
    answer = client.get(VERIFY, headers=header)
    assert (answer.status_code, answer.json()["detail"]) == (401, "Not authenticated")


def test_verify_takes_a_token_in_the_body_as_well(client: Client, token: TokenFactory) -> None:
    good = client.post(VERIFY, {"token": token()}, content_type="application/json")
    assert (good.status_code, good.json()) == (200, {})
    bad = client.post(VERIFY, {"token": token()[:-3]}, content_type="application/json")
    assert (bad.status_code, bad.json()["detail"], bad.json()["code"]) == (
        401,
        "Token is invalid",
        "token_not_valid",
    )


@pytest.mark.parametrize("path", [ME, f"{ME}/"])
def test_the_caller_is_told_who_it_is(
    client: Client,
    user: User,
    bearer: dict[str, str],
    path: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        answer = client.get(path, headers=bearer)
    assert answer.json() == {
        "uid": user.pk,
        "mail": "ann@example.org",
        "name": "Ann",
        "lastname": "",
        "phone": "",
        "id_num": "",
        "role": "user",
        "active": True,
    }


def test_a_token_of_another_service_is_enough(client: Client, user: User, token: TokenFactory) -> None:
    answer = client.get(ME, headers={"Authorization": f"BEARER {token(user.pk, scopes=['read'])}"})
    assert answer.json()["uid"] == user.pk


@pytest.mark.parametrize("path", [ME, "/api/v1/orm/bots", "/api/v1/orm/", "/api/v1/orm"])
def test_resources_answer_401_to_strangers(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "no authenticated user" in answer.json()["detail"].lower() or path.endswith("orm")


@pytest.mark.parametrize("claims", [{"token_type": "refresh"}, {"exp": 1}, {"user_id": 10**9}])
def test_a_token_that_proves_nobody_counts_as_none(
    client: Client, user: User, token: TokenFactory, claims: dict[str, int | str]
) -> None:
    answer = client.get(ME, headers={"Authorization": f"Bearer {token(**{'user_id': user.pk, **claims})}"})
    assert (answer.status_code, answer.json()["detail"]) == (401, "No authenticated user")


def test_a_deactivated_user_is_nobody(client: Client, user: User, bearer: dict[str, str]) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get(ME, headers=bearer).status_code == 401


def test_an_unknown_resource_is_404_for_somebody(client: Client, bearer: dict[str, str]) -> None:
    for method in (client.get, client.post, client.delete):
        answer = method("/api/v1/orm/nothing/here", headers=bearer)
        assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found")


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1/services", "/api/v1/services/ticker/start", "/api/v2/x"]
)
@pytest.mark.parametrize("debug", [False, True])
def test_an_unknown_path_is_404_in_json(
    client: Client, path: str, settings: Settings, *, debug: bool
) -> None:
    settings.DEBUG = debug
    for answer in (client.get(path), client.post(path)):
        assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found")
        assert set(answer.json()) == ERROR_MEMBERS


def test_a_wrong_method_is_405_and_names_the_right_ones(client: Client) -> None:
    answer = client.get(LOGIN)
    assert (answer.status_code, answer.json()["detail"]) == (405, "Method Not Allowed")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("offered", ["abc-1.2_3", "x" * 64])
def test_a_sane_request_id_is_echoed(client: Client, offered: str) -> None:
    answer = client.get("/nothing", headers={"X-Request-ID": offered})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == offered


@pytest.mark.parametrize("offered", ["", "x" * 65, "a b", "a\tb", "<script>"])
def test_another_request_id_is_replaced(client: Client, offered: str) -> None:
    answer = client.get("/nothing", headers={"X-Request-ID": offered})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] != offered


async def test_the_request_id_is_echoed_under_asgi_as_well(async_client: AsyncClient) -> None:
    answer = await async_client.get("/health/live", headers={"X-Request-ID": "abc"})
    assert answer.headers["X-Request-ID"] == "abc"


@pytest.mark.parametrize("accept", ["text/html", "application/yaml", "image/png", "*/*"])
def test_the_schema_is_json_whatever_is_asked_for(client: Client, accept: str) -> None:
    answer = client.get("/openapi.json", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    told = answer.json()
    assert told["openapi"].startswith("3.")
    assert told["info"]["title"] == settings.API_TITLE
    assert told["info"]["version"] == settings.API_VERSION


def test_every_operation_of_the_schema_says_what_it_is_and_who_may(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {LOGIN, VERIFY, ME, "/health", "/"} <= set(paths)
    for operations in paths.values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["tags"]
            assert operation["security"]


def test_the_schema_is_generated_without_a_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documents_load_nothing_from_elsewhere(client: Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    page = answer.content.decode()
    assert answer.status_code == 200
    script = client.get(f"{path}?script=").content.decode()
    assert "/openapi.json" in page + script
    sources = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page)
    assert sources
    assert [source for source in sources if "//" in source] == []


def test_users_are_managed_on_the_admin_site(client: Client, user: User) -> None:
    client.force_login(User.objects.create_superuser("root@example.org"))
    for path in ("", "add/", f"{user.pk}/change/"):
        assert client.get(f"/admin/accounts/user/{path}").status_code == 200
    form = {"mail": " New@Example.org", "usable_password": "false", "password1": "", "password2": ""}
    assert client.post("/admin/accounts/user/add/", form).status_code == 302
    assert User.objects.get(mail="new@example.org").has_usable_password() is False


def test_the_admin_site_masks_a_hash_of_the_replaced_system(client: Client) -> None:
    bare = "$2b$12$" + "abcdefghijklmnopqrstuv" + "w" * 31
    user = User.objects.create(mail="old@fullon", password=stored_form(bare))
    client.force_login(User.objects.create_superuser("root@example.org"))
    page = client.get(f"/admin/accounts/user/{user.pk}/change/").content.decode()
    assert "bcrypt_bare" in page
    assert "abcdefghijklmnopqrstuv" not in page


def test_a_defect_of_ours_is_a_500_in_the_same_shape() -> None:
    answer = server_error(RequestFactory().get("/", headers={"X-Request-ID": "abc"}))
    assert answer.status_code == 500
    assert json.loads(answer.content) == {
        "detail": "Internal Server Error",
        "success": False,
        "error_code": "INTERNAL_ERROR",
        "error": "Internal Server Error",
        "request_id": "abc",
    }


def test_a_host_that_is_not_ours_is_400_in_json(client: Client) -> None:
    answer = client.get("/health/live/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert set(answer.json()) == ERROR_MEMBERS
