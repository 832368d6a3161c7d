"""``/``: JSON for programs, the dashboard for people."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def built(settings: Settings, tmp_path: Path) -> None:
    settings.DASHBOARD = tmp_path


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
        == page.count('<script type="module" src="/static/dashboard/app.js"></script>')
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


def test_an_accept_header_that_makes_no_sense_is_answered(client: Client) -> None:
    assert client.get("/", headers={"accept": ";;;q=x,/"}).status_code == 200
