"""Bodies through the whole ASGI application of Django."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application

from accounts.body_limit import BoundedBody

pytestmark = pytest.mark.django_db
LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


async def login(content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    application = BoundedBody(get_asgi_application())
    transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # a dict to Django, a mapping to httpx
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.post(
            "/api/v1/auth/login", content=content, headers={"Content-Type": "application/json"}
        )


async def test_a_body_at_the_limit_reaches_the_view() -> None:
    assert (await login(b" " * LIMIT)).status_code == 400


async def test_an_announced_body_above_the_limit_is_413() -> None:
    answer = await login(b" " * (LIMIT + 1))
    assert (answer.status_code, answer.json()["error_code"]) == (413, "TOO_LARGE")
    assert answer.json()["request_id"]


async def test_a_body_that_grows_beyond_the_limit_unannounced_is_413() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10 * LIMIT:
            sent += 65_536
            yield b" " * 65_536

    answer = await login(endless())
    assert (answer.status_code, answer.json()["detail"]) == (413, "The body is too large.")
    assert sent < 2 * LIMIT
