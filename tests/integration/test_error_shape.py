"""Every error has one shape, whatever refuses: the server, the ASGI edge, Django, the framework, or a view."""

from __future__ import annotations

import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client, RequestFactory

from accounts import errors
from accounts.models import User
from accounts.tokens import issue_access_token
from tests.live import LiveServer

MEMBERS = {"detail", "success", "error_code", "error", "request_id"}
LOGIN, USERS, KEYS = "/api/v1/auth/login", "/api/v1/orm/users", "/api/v1/orm/api_keys/me"
OWNERSHIP, TICKERS = "/api/v1/orm/ownership", "/api/v1/cache/tickers"
DEEP = "[" * 100_000
BIG = 4_000_000


def holds_the_shape(status: int, headers: Any, content: bytes) -> dict[str, Any]:  # Any: JSON
    told: dict[str, Any] = json.loads(content)
    assert headers["Content-Type"].startswith("application/json")
    assert set(told) - {"errors", "code"} == MEMBERS
    assert told["success"] is False
    assert re.fullmatch(r"[A-Z_]+", told["error_code"])
    assert isinstance(told["error"], str)
    assert told["error"]
    assert told["request_id"]
    if status == 422:
        assert {each["msg"] for each in told["detail"]} == {
            text for t in told["errors"].values() for text in t
        }
        assert all(set(each) == {"type", "loc", "msg", "input"} for each in told["detail"])
    else:
        assert told["detail"] == told["error"]
    return told


@pytest.mark.django_db
@pytest.mark.usefixtures("fresh_counts")
class TestThroughDjango:
    @pytest.fixture
    def root(self) -> dict[str, str]:
        user = User.objects.create_superuser("root@example.org")
        return {"Authorization": f"Bearer {issue_access_token(user)}"}

    @pytest.fixture
    def ann(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue_access_token(User.objects.create_user('ann@example.org'))}"}

    @pytest.mark.parametrize(
        ("asked", "refused"),
        [
            (("GET", "/nothing", None), (404, "NOT_FOUND")),
            (("GET", "/api/v1/cache/nothing", None), (404, "NOT_FOUND")),
            (("DELETE", KEYS, None), (405, "METHOD_NOT_ALLOWED")),
            (("PUT", TICKERS, "{}"), (405, "METHOD_NOT_ALLOWED")),
            (("POST", LOGIN, "{"), (400, "BAD_REQUEST")),
            (("POST", LOGIN, ""), (422, "VALIDATION_ERROR")),
            (("POST", LOGIN, DEEP), (400, "BAD_REQUEST")),
            (("POST", LOGIN, b"\xff\xfe"), (400, "BAD_REQUEST")),
            (("POST", LOGIN, '{"username": NaN}'), (400, "BAD_REQUEST")),
            (("POST", LOGIN, '{"username": 1e999}'), (400, "BAD_REQUEST")),
            (("POST", LOGIN, '{"username": "a", "username": "b"}'), (400, "BAD_REQUEST")),
            (("POST", LOGIN, '{"username": "\\ud800"}'), (400, "BAD_REQUEST")),
            (("POST", LOGIN, "9" * 5000), (400, "BAD_REQUEST")),
            (("POST", LOGIN, "[]"), (422, "VALIDATION_ERROR")),
            (("POST", KEYS, '{"expires_at": "soon"}'), (422, "VALIDATION_ERROR")),
            (("GET", f"{USERS}?limit=x", None), (422, "VALIDATION_ERROR")),
            (("POST", USERS, '{"mail": "root@example.org"}'), (409, "CONFLICT")),
            (("POST", f"{TICKERS}/", '{"entries": []}'), (403, "FORBIDDEN")),
        ],
    )
    def test_a_refusal_has_it(
        self, client: Client, root: dict[str, str], asked: tuple[str, str, Any], refused: tuple[int, str]
    ) -> None:
        method, path, body = asked
        answer = client.generic(method, path, body or b"", content_type="application/json", headers=root)
        told = holds_the_shape(answer.status_code, answer.headers, answer.content)
        assert (answer.status_code, told["error_code"]) == refused

    @pytest.mark.parametrize("path", [USERS, OWNERSHIP, TICKERS, "/api/v1/orm/nothing"])
    def test_a_stranger_is_401_with_a_challenge(self, client: Client, path: str) -> None:
        answer = client.get(path)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert holds_the_shape(401, answer.headers, answer.content)["error_code"] == "NOT_AUTHENTICATED"

    def test_who_is_not_allowed_is_403(self, client: Client, ann: dict[str, str]) -> None:
        answer = client.get(USERS, headers=ann)
        assert holds_the_shape(403, answer.headers, answer.content)["error_code"] == "FORBIDDEN"

    @pytest.mark.parametrize("kind", ["text/xml", "application/x-www-form-urlencoded", "nonsense", ""])
    def test_a_body_of_another_kind_names_its_header(
        self, client: Client, ann: dict[str, str], kind: str
    ) -> None:
        answer = client.generic("POST", KEYS, b"x=1", content_type=kind, headers=ann)
        told = holds_the_shape(422, answer.headers, answer.content)
        assert told["detail"][0]["loc"] == ["header", "content-type"]

    @pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "nonsense"])
    def test_what_the_client_accepts_changes_nothing(self, client: Client, accept: str) -> None:
        answer = client.get(TICKERS, headers={"Accept": accept})
        holds_the_shape(401, answer.headers, answer.content)

    def test_a_form_of_too_many_fields_is_400(self, client: Client) -> None:
        body = "&".join(f"f{number}=1" for number in range(1_001))
        answer = client.post(LOGIN, body, content_type="application/x-www-form-urlencoded")
        assert holds_the_shape(400, answer.headers, answer.content)["error_code"] == "BAD_REQUEST"

    def test_a_defect_of_ours_has_it(self) -> None:
        answer = errors.server_error(RequestFactory().get("/"))
        assert holds_the_shape(500, answer.headers, answer.content)["error_code"] == "INTERNAL_ERROR"


class TestOnTheServer:
    @pytest.mark.parametrize(
        "charset", ["zlib", "rot13", "base64", "idna", "utf-7", "undefined", "x" * 2_000, '"']
    )
    @pytest.mark.parametrize("path", [LOGIN, "/nothing?a=%ff"])
    def test_a_charset_that_makes_no_text_is_422(
        self, live_server_process: LiveServer, charset: str, path: str
    ) -> None:
        headers = {"Content-Type": f"application/json; charset={charset}"}
        answer = httpx.post(f"{live_server_process.url}{path}", content=b"{}", headers=headers)
        told = holds_the_shape(answer.status_code, answer.headers, answer.content)
        assert told["detail"][0]["loc"] == ["header", "content-type"]

    @pytest.mark.parametrize("charset", ["utf-8", "UTF8", "iso-8859-1"])
    def test_a_charset_of_text_is_read(self, live_server_process: LiveServer, charset: str) -> None:
        headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
        answer = httpx.post(
            f"{live_server_process.url}{LOGIN}", content=b"username=a&password=b", headers=headers
        )
        assert answer.status_code == 401

    def test_a_body_that_is_too_large_is_413(self, live_server_process: LiveServer) -> None:
        answer = httpx.post(f"{live_server_process.url}{LOGIN}", content=b" " * BIG)
        assert answer.status_code == 413
        assert holds_the_shape(413, answer.headers, answer.content)["error_code"] == "TOO_LARGE"

    def test_a_host_that_is_not_ours_is_400(self, live_server_process: LiveServer) -> None:
        answer = httpx.get(f"{live_server_process.url}{TICKERS}", headers={"Host": "evil.example"})
        assert answer.status_code == 400
        holds_the_shape(400, answer.headers, answer.content)

    @pytest.mark.parametrize(
        "sent", [b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n"]
    )
    def test_what_is_not_http_is_400(self, live_server_process: LiveServer, sent: bytes) -> None:
        parts = urlsplit(live_server_process.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
            raw.sendall(sent)
            told = b""
            while part := raw.recv(65_536):
                told += part
        head, _, body = told.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"application/json" in head
        assert holds_the_shape(400, {"Content-Type": "application/json"}, body)["error_code"] == "BAD_REQUEST"
