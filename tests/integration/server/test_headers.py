"""What every kind of answer tells browsers, from a live gateway outside DEBUG behind a proxy that ends TLS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.forged_tokens import token
from tests.live import ADMIN_MAIL, BASE, PASSWORD, LiveServer, live_server

DEADLINE_S = 10.0
LISTED, FOREIGN = "https://desk.example", "https://evil.example"
SECRETS = {"SECRET_KEY": "k9" * 16 + "Zq-8" * 8, "JWT_SECRET_KEY": "j7" * 16 + "Yw_4" * 8}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("headers"),
        NUM_PROXIES="1",
        TRUSTED_PROXIES="127.0.0.1",
        HTTPS_ONLY="true",
        CORS_ALLOWED_ORIGINS=LISTED,
    ) as running:
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client whose requests came to the proxy over TLS."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.5"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=DEADLINE_S) as client:
        yield client


ANSWERS = [
    ("GET", "/", 200), ("GET", "/health", 200), ("GET", "/api/v1/orm/users/me", 401), ("GET", "/nowhere", 404),
    ("POST", "/api/v1/auth/login", 422), ("DELETE", "/api/v1/auth/login", 405), ("GET", "/metrics", 403),
    ("GET", "/openapi.json", 200), ("GET", "/docs", 200), ("GET", "/redoc", 200), ("GET", "/admin/login/", 200),
    ("POST", "/admin/login/", 403), ("GET", "/static/admin/css/base.css", 200), ("GET", "/static/none.css", 404),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_every_kind_of_answer_is_guarded(client: httpx.Client, method: str, path: str, status: int) -> None:
    answered = client.request(method, path)
    assert answered.status_code == status
    assert answered.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert answered.headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert answered.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = answered.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "script-src 'unsafe-inline'" not in policy
    assert "*" not in policy


def test_a_body_that_was_not_read_is_answered_guarded_too(client: httpx.Client) -> None:
    answered = client.post("/api/v1/auth/login", content=b"x" * 3_000_000)
    assert answered.status_code == 413
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answered.headers["Content-Security-Policy"]


def test_json_may_do_nothing_at_all(client: httpx.Client) -> None:
    assert "-src 'self'" not in client.get("/health").headers["Content-Security-Policy"]


def test_plain_http_is_sent_to_https_but_for_probes(server: LiveServer) -> None:
    with httpx.Client(base_url=server.url, timeout=DEADLINE_S) as plain:
        assert plain.get("/admin/").headers["Location"].startswith("https://")
        probe = plain.get("/health/live")
        assert probe.status_code == 200
        assert "Strict-Transport-Security" not in probe.headers


def test_the_cookies_of_the_admin_site_are_for_tls_alone(client: httpx.Client) -> None:
    page = client.get("/admin/login/")
    crumb = page.cookies["csrftoken"]
    form = {"username": ADMIN_MAIL, "password": PASSWORD, "csrfmiddlewaretoken": crumb, "next": "/admin/"}
    headers = {"Cookie": f"csrftoken={crumb}", "Referer": str(client.base_url).replace("http:", "https:")}
    answered = client.post("/admin/login/", data=form, headers=headers)
    assert answered.status_code == 302, answered.text
    set_cookies = [*page.headers.get_list("set-cookie"), *answered.headers.get_list("set-cookie")]
    assert {cookie.partition("=")[0] for cookie in set_cookies} >= {"csrftoken", "sessionid"}
    for cookie in set_cookies:
        assert "Secure" in cookie
        assert "SameSite=Lax" in cookie
    assert any("HttpOnly" in cookie for cookie in set_cookies if cookie.startswith("sessionid"))


@pytest.mark.parametrize(("origin", "allowed"), [(LISTED, True), (FOREIGN, False), ("null", False)])
def test_pages_of_listed_origins_alone_may_read_answers(
    server: LiveServer, client: httpx.Client, origin: str, allowed: bool
) -> None:
    signed = {"Authorization": f"Bearer {token(server.jwt_secret)}"}
    for headers in (signed, {}):
        answered = client.get("/api/v1/orm/users/me", headers={"Origin": origin, **headers})
        assert answered.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert "Access-Control-Allow-Credentials" not in answered.headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = client.options("/api/v1/auth/ticket", headers=asked)
    assert preflight.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)


@pytest.mark.parametrize("settings", [{}, {"HTTPS_ONLY": "true"}, {"HSTS_SUBDOMAINS": "false"}])
def test_the_check_of_a_deployment_warns_of_nothing(settings: dict[str, str]) -> None:
    kept = {
        name: value for name, value in os.environ.items() if name in {"PATH", "REDIS_URL", "DATABASE_URL"}
    }
    done = subprocess.run(
        [sys.executable, str(BASE / "manage.py"), "check", "--deploy", "--fail-level", "DEBUG"],
        env={**kept, "ENV_FILE": os.devnull, **SECRETS, **settings},
        cwd=BASE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNINGS" not in done.stderr
