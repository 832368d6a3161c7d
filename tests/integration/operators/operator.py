"""An operator at a browser without scripts: logs in to the admin site, looks at pages, presses their buttons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tests.integration.wire.rpc_client import DEADLINE_S
from tests.live import ADMIN_MAIL, PASSWORD, LiveServer


@dataclass
class Operator:
    """One session on the admin site."""

    client: httpx.Client

    @classmethod
    @contextmanager
    def logged_in(
        cls, server: LiveServer, mail: str = ADMIN_MAIL, password: str = PASSWORD
    ) -> Iterator[Operator]:
        with cls.logged_in_at(server.url, mail, password) as operator:
            yield operator

    @classmethod
    @contextmanager
    def logged_in_at(cls, url: str, mail: str, password: str) -> Iterator[Operator]:
        with httpx.Client(base_url=url, timeout=DEADLINE_S) as client:

            def send_cookies(request: httpx.Request) -> None:
                request.headers["Cookie"] = cookies_of(client)

            # As browsers do, which take loopback for secure without TLS.
            client.event_hooks["request"] = [send_cookies]
            yield cls._of(client, mail, password)

    @classmethod
    def _of(cls, client: httpx.Client, mail: str, password: str) -> Operator:
        form = {"username": mail, "password": password, "next": "/admin/"}
        client.get("/admin/login/")
        answer = client.post(
            "/admin/login/", data={**form, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        )
        assert answer.status_code == 302, answer.text
        return cls(client)

    def page(self, path: str = "/admin/live/", status: int = 200, **query: object) -> str:
        """Return a page's text."""
        answer = self.client.get(path, params={name: str(value) for name, value in query.items()})
        assert answer.status_code == status, answer.text
        return answer.text

    def press(self, path: str) -> str:
        """Return the page that follows a button."""
        token = self.client.cookies["csrftoken"]
        answer = self.client.post(path, data={"csrfmiddlewaretoken": token})
        assert answer.status_code == 302, answer.text
        return self.page(answer.headers["Location"])


def cookies_of(client: httpx.Client) -> str:
    """Return a client's cookies as a header holds them."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)


def listed(page: str) -> list[str]:
    """Return the ids of the sockets that a page lists, in its order."""
    return re.findall(r"<code>(c-[0-9a-f]{16})</code>", page)


def told(page: str, fact: str) -> str:
    """Return one of a page's facts."""
    found = re.search(rf"<dt>{fact}</dt><dd>([^<]*)</dd>", page)
    assert found is not None, fact
    return found[1].replace("\xa0", " ")
