"""The gateway behind nginx and Caddy as our examples configure them: TLS, sockets, a path of its own, and whose address counts."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.forged_tokens import token
from tests.integration.proxy.programs import Proxy, caddy, found, nginx
from tests.live import LiveServer, live_server

DEADLINE_S = 20.0
ADDRESS_LIMIT = 8
ROOT = "/gateway"
SETTINGS = {
    "NUM_PROXIES": "1",
    "TRUSTED_PROXIES": "127.0.0.1,::1",
    "HTTPS_ONLY": "true",
    "ADDRESS_LOGIN_ATTEMPTS_PER_MINUTE": str(ADDRESS_LIMIT),
}


def needs(program: str) -> None:
    if found(program) is None:
        pytest.skip(
            f"{program} is not installed: its example was not tried (on Debian: apt install {program})"
        )


@pytest.fixture(scope="module")
def below_a_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("nginx"), workers=1, ROOT_PATH=ROOT, **SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def at_the_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("caddy"), workers=1, **SETTINGS) as server:
        yield server


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    needs(request.param)
    if request.param == "nginx":
        with nginx(request.getfixturevalue("below_a_path"), ROOT) as running:
            yield running
    else:
        with caddy(request.getfixturevalue("at_the_root")) as running:
            yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=DEADLINE_S) as client:
        yield client


def bearer(proxy: Proxy) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(proxy.server.jwt_secret)}"}


def test_rest_is_there_and_knows_that_it_came_over_tls(proxy: Proxy, client: httpx.Client) -> None:
    me = client.get("/api/v1/orm/users/me", headers=bearer(proxy))
    assert me.json()["uid"] == 1
    assert me.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert client.get("/").json()["docs"] == f"{proxy.root}/docs"


async def test_a_socket_opens_over_wss_and_answers(proxy: Proxy) -> None:
    headers = bearer(proxy)
    for path in ("/api/v1/cache/ws/tickers/c1", "/api/v1/cache/ws/tickers/kraken/BTC%2FUSDC"):
        url = f"{proxy.ws_url}{path}"
        async with connect(
            url, ssl=proxy.trust, additional_headers=headers, open_timeout=DEADLINE_S
        ) as socket:
            await socket.send('{"action": "ping"}')
            assert json.loads(await socket.recv())["success"] is True
    async with connect(
        f"{proxy.ws_url}/api/v1/stream", ssl=proxy.trust, additional_headers=headers
    ) as socket:
        assert json.loads(await socket.recv())["type"] == "welcome"


async def test_a_page_of_the_same_host_may_open_a_socket_and_one_of_another_may_not(proxy: Proxy) -> None:
    url, headers = f"{proxy.ws_url}/api/v1/stream", bearer(proxy)
    own = Origin(f"https://localhost:{proxy.port}")
    async with connect(url, ssl=proxy.trust, additional_headers=headers, origin=own) as socket:
        assert json.loads(await socket.recv())["type"] == "welcome"
    for foreign in (f"http://localhost:{proxy.port}", "https://evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, ssl=proxy.trust, additional_headers=headers, origin=Origin(foreign))
        assert refused.value.response.status_code == 403


async def test_a_refused_handshake_is_told_by_its_status(proxy: Proxy) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{proxy.ws_url}/api/v1/cache/ws/tickers/c1", ssl=proxy.trust)
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["error_code"] == "AUTH_MISSING"


def test_the_address_that_counts_is_the_clients_whatever_it_claims(proxy: Proxy) -> None:
    def guess(local: str, claimed: str) -> int:
        transport = httpx.HTTPTransport(local_address=local, verify=proxy.trust)
        forged = {"X-Forwarded-For": claimed, "Forwarded": f"for={claimed}", "X-Real-IP": claimed}
        with httpx.Client(transport=transport, timeout=DEADLINE_S) as client:
            form = {"username": f"{uuid.uuid4().hex}@fullon", "password": "wrong"}
            url = f"https://127.0.0.1:{proxy.port}{proxy.root}/api/v1/auth/login"
            sni = {"sni_hostname": "localhost"}
            return client.post(
                url, data=form, headers={**forged, "Host": f"localhost:{proxy.port}"}, extensions=sni
            ).status_code

    told = [guess("127.0.0.9", f"203.0.113.{n}") for n in range(ADDRESS_LIMIT + 1)]
    assert told == [401] * ADDRESS_LIMIT + [429]
    assert guess("127.0.0.8", "203.0.113.1") == 401


def test_the_security_log_names_the_client_behind_the_proxy(proxy: Proxy) -> None:
    transport = httpx.HTTPTransport(local_address="127.0.0.77", verify=proxy.trust)
    with httpx.Client(transport=transport, timeout=DEADLINE_S) as client:
        url = f"https://127.0.0.1:{proxy.port}{proxy.root}/api/v1/orm/users/me"
        client.get(url, headers={"Host": f"localhost:{proxy.port}"}, extensions={"sni_hostname": "localhost"})
    deadline = time.monotonic() + DEADLINE_S
    lines: list[dict[str, Any]] = []
    while time.monotonic() < deadline and not lines:
        said = [json.loads(text) for text in proxy.server.log.read_text().splitlines() if text[:1] == "{"]
        lines = [line for line in said if line.get("address") == "127.0.0.77"]
    assert {line["event"] for line in lines} == {"request refused"}


def test_plain_http_is_sent_to_https(proxy: Proxy) -> None:
    answered = httpx.get(f"http://127.0.0.1:{proxy.plain_port}/x", headers={"Host": "localhost"})
    assert answered.status_code in {301, 308}
    assert answered.headers["Location"].startswith("https://localhost")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/admin/login/"])
def test_pages_find_their_files_and_each_other(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    sources = [part.split('"')[0] for part in page.text.split('src="')[1:]]
    assert sources
    for source in sources:
        if not source.startswith("data:"):
            assert client.get(httpx.URL(page.url).join(source)).status_code == 200, source


def test_the_admin_site_leads_back_below_its_path(proxy: Proxy, client: httpx.Client) -> None:
    answered = client.get("/admin/")
    assert answered.headers["Location"].startswith(f"{proxy.root}/admin/login/")
    assert f"Path={proxy.root}/" in client.get("/admin/login/").headers["Set-Cookie"]


def test_links_of_lists_lead_below_the_path(proxy: Proxy, client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document.get("servers", []) == ([{"url": proxy.root}] if proxy.root else [])


def test_no_token_stands_in_the_proxys_own_log(proxy: Proxy, client: httpx.Client) -> None:
    secret = token(proxy.server.jwt_secret, jti="seen-by-nobody")
    ticket = "t" * 43
    headers = {
        "Authorization": f"Bearer {secret}",
        "X-API-Key": f"fullon_ak_{ticket}",
        "Cookie": f"sessionid={ticket}",
    }
    client.get(f"/api/v1/orm/users/me?token={secret}&ticket={ticket}", headers=headers)
    client.get("/last-of-all")
    deadline = time.monotonic() + DEADLINE_S
    while "last-of-all" not in proxy.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    logged = proxy.log.read_text()
    assert "last-of-all" in logged
    assert secret not in logged
    assert ticket not in logged


async def test_without_the_prefix_a_path_is_the_same_to_the_gateway(below_a_path: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {token(below_a_path.jwt_secret)}"}
    for prefix in ("", ROOT):  # a proxy that takes the path away, and one that does not
        async with connect(
            f"{below_a_path.ws_url}{prefix}/api/v1/stream", additional_headers=headers
        ) as socket:
            assert json.loads(await socket.recv())["type"] == "welcome"
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{below_a_path.ws_url}/gatewayed/api/v1/stream", additional_headers=headers)
    assert refused.value.response.status_code == 404
