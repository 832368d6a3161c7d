"""Django's HTTP in one hop: the same answers, and one thread for all of a request."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings

from cache_streams.server.one_hop import OneHopHandler

seen: list[str] = []


def first(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> HttpResponse:
        seen.append(threading.current_thread().name)
        response: HttpResponse = get_response(request)
        seen.append(threading.current_thread().name)
        return response

    return middleware


async def ask(path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=OneHopHandler())  # type: ignore[arg-type]  # a dict to Django, a mapping to httpx
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("path", "status"), [("/health/live", 200), ("/nothing", 404), ("/openapi.json", 200)]
)
async def test_requests_are_answered_as_by_djangos_own_handler(path: str, status: int) -> None:
    answer = await ask(path)
    assert answer.status_code == status
    assert answer.headers["X-Request-ID"]


async def test_middleware_and_view_run_in_one_thread_beside_the_event_loop() -> None:
    seen.clear()
    with override_settings(
        MIDDLEWARE=[f"{__name__}.first", "django.middleware.common.CommonMiddleware", f"{__name__}.first"]
    ):
        await ask("/health/live")
    assert len(seen) == 4
    assert set(seen) - {threading.current_thread().name} == {seen[0]}
