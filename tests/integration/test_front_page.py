"""``/``: JSON for programs, the dashboard for people, and the files that it is made of."""

import gzip
import json
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def build(directory: Path, number: int) -> None:
    """Put a build into ``directory`` as frontend/build.mjs does."""
    names = {
        "app.js": f"app-BUILD{number}.js",
        "app.css": f"app-BUILD{number}.css",
        "icon.svg": "icon-ALIKE.svg",
    }
    for name in names.values():
        (directory / name).write_text(f"{name} of build {number}")
        (directory / f"{name}.gz").write_bytes(gzip.compress(f"{name} of build {number}".encode()))
    (directory / "manifest.json").write_text(json.dumps(names))


@pytest.fixture
def built(settings: Settings, tmp_path: Path) -> Path:
    settings.DASHBOARD = tmp_path
    build(tmp_path, 1)
    return tmp_path


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "application/json, text/html;q=0.9"])
@pytest.mark.usefixtures("built")
def test_a_client_that_does_not_prefer_a_page_gets_json(client: Client, accept: str) -> None:
    answer = client.get("/", headers={"accept": accept} if accept else {})
    assert answer.json()["docs"] == "/docs"
    assert "Accept" in answer["Vary"]


@pytest.mark.usefixtures("built")
def test_a_browser_gets_a_page_with_labelled_fields_and_no_script_of_its_own(client: Client) -> None:
    answer = client.get("/", headers={"accept": BROWSER})
    page = answer.content.decode()
    assert answer["Content-Type"].startswith("text/html")
    assert '<label for="email">Email</label>' in page
    assert '<label for="password">Password</label>' in page
    assert (
        page.count("<script")
        == page.count('<script type="module" src="/dashboard/app-BUILD1.js"></script>')
        == 1
    )
    assert "style=" not in page


@pytest.mark.usefixtures("built")
def test_the_page_may_load_and_send_nothing_elsewhere(client: Client) -> None:
    policy = client.get("/", headers={"accept": BROWSER})["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"


def test_a_page_that_was_never_built_says_how_to_build_it(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.DASHBOARD = tmp_path / "nothing"
    answer = client.get("/", headers={"accept": BROWSER})
    assert answer.status_code == 503
    assert "make dashboard" in answer.content.decode()


def test_a_build_while_the_gateway_runs_is_served_at_once_and_the_one_before_stays(
    client: Client, built: Path
) -> None:
    build(built, 2)
    assert "/dashboard/app-BUILD2.js" in client.get("/", headers={"accept": BROWSER}).content.decode()
    for number in (1, 2):
        answer = client.get(f"/dashboard/app-BUILD{number}.js")
        assert answer.content == f"app-BUILD{number}.js of build {number}".encode()


@pytest.mark.usefixtures("built")
def test_a_file_of_the_page_is_typed_and_kept_by_the_browser_for_ever(client: Client) -> None:
    types = {
        "app-BUILD1.js": "text/javascript",
        "app-BUILD1.css": "text/css",
        "icon-ALIKE.svg": "image/svg+xml",
    }
    for name, kind in types.items():
        answer = client.get(f"/dashboard/{name}")
        assert answer["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        *(("gzip, deflate, br", True), ("br;q=1.0, gzip;q=0.8", True), ("gzip", True), ("", False)),
        *(("br", False), ("gzip;q=0", False), ("gzip;q=0.0, br", False), ("x-gzip-not", False)),
    ],
)
def test_a_file_of_the_page_is_compressed_for_those_who_take_that(
    client: Client, accepted: str, compressed: bool
) -> None:
    answer = client.get("/dashboard/app-BUILD1.js", headers={"accept-encoding": accepted})
    content = gzip.decompress(answer.content) if compressed else answer.content
    assert answer.get("Content-Encoding") == ("gzip" if compressed else None)
    assert "Accept-Encoding" in answer["Vary"]
    assert content == b"app-BUILD1.js of build 1"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", ["app-GONE.js", "manifest.json", "..%2Fpackage.json", "app-BUILD1.js.gz"])
def test_nothing_but_the_files_of_a_build_is_served(client: Client, name: str) -> None:
    assert client.get(f"/dashboard/{name}").status_code == 404


def test_an_accept_header_that_makes_no_sense_is_answered(client: Client) -> None:
    assert client.get("/", headers={"accept": ";;;q=x,/"}).status_code == 200
