"""Asking REST, against a small server that answers what each path says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cache_streams.client.errors import RestFailed
from cache_streams.client.rest import ask

ANSWERS: dict[str, tuple[int, dict[str, str], object]] = {
    "/fine": (200, {}, {"fine": True}),
    "/moved": (302, {"Location": "/fine"}, None),
    "/refused": (403, {}, {"detail": "Not yours."}),
    "/wrong": (422, {}, {"detail": [{}], "error": "Invalid.", "errors": {"price": ["must be positive"]}}),
    "/later": (429, {"Retry-After": "7"}, {"detail": "Too many requests."}),
    "/broken": (500, {}, "<html>"),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, given: object) -> None:
        status, headers, answer = ANSWERS[self.path]
        told = {"given": given, "key": self.headers.get("X-API-Key")} if given is not None else answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_body_makes_it_a_post_with_headers(url: str) -> None:
    assert await ask(f"{url}/fine", {"a": 1}, headers={"X-API-Key": "k"}) == {"given": {"a": 1}, "key": "k"}


async def test_an_answer_is_read(url: str) -> None:
    assert await ask(f"{url}/fine") == {"fine": True}


@pytest.mark.parametrize(
    ("path", "status", "sentence", "after"),
    [
        ("/moved", 302, "Found", None),
        ("/refused", 403, "Not yours.", None),
        ("/wrong", 422, "price: must be positive", None),
        ("/later", 429, "Too many requests.", 7.0),
        ("/broken", 500, "Internal Server Error", None),
    ],
)
async def test_an_error_is_told_in_the_gateways_own_words(
    url: str, path: str, status: int, sentence: str, after: float | None
) -> None:
    with pytest.raises(RestFailed) as failed:
        await ask(url + path)
    assert (failed.value.status, failed.value.text, failed.value.retry_after_s) == (status, sentence, after)


async def test_a_status_that_is_expected_is_an_answer(url: str) -> None:
    assert await ask(f"{url}/refused", statuses=frozenset({403})) == {"detail": "Not yours."}


async def test_no_answer_has_no_status() -> None:
    with pytest.raises(RestFailed, match="no answer") as failed:
        await ask("http://127.0.0.1:1/")
    assert failed.value.status is None
