"""The REST side of a gateway, as far as this client needs it; redirects are not followed: they would carry credentials along."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, TypeAlias

from cache_streams.client.errors import RestFailed

Json: TypeAlias = Any  # Any: JSON as it comes; each caller looks at the parts that it names
TIMEOUT_S = 10.0
ANSWER_BYTES_LIMIT = 16 * 1024 * 1024
_TEXT_LIMIT = 500


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Answer that there is nowhere to go: the redirect itself becomes the error."""


async def ask(
    url: str,
    body: Json = None,
    *,
    headers: Mapping[str, str] | None = None,
    statuses: frozenset[int] = frozenset(),
) -> Json:
    """Return the JSON that ``url`` answers; with a body it is a POST. Error ``statuses`` are answers, too.

    Raises: RestFailed, whose text is the gateway's own sentence where it gave one.
    """
    return await asyncio.to_thread(_ask, url, body, dict(headers or {}), statuses)


def _ask(url: str, body: Json, headers: dict[str, str], statuses: frozenset[int]) -> Json:
    content = None if body is None else json.dumps(body).encode()
    if content is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, content, {"Accept": "application/json", **headers})  # noqa: S310  # url.py allows http and https alone
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT_S) as response:
            return _read(response)
    except urllib.error.HTTPError as refused:
        with refused:
            answer = _read(refused)
        if refused.code in statuses:
            return answer
        after = refused.headers.get("Retry-After", "")
        retry_after_s = float(after) if after.isdecimal() else None
        raise RestFailed(refused.code, _sentence(answer) or refused.reason, retry_after_s) from None
    except (OSError, HTTPException) as fault:
        reason = fault.reason if isinstance(fault, urllib.error.URLError) else fault
        raise RestFailed(None, f"no answer: {reason}"[:_TEXT_LIMIT]) from None


def _read(response: Any) -> Json:  # Any: urllib's two kinds of answers
    text = response.read(ANSWER_BYTES_LIMIT)
    try:
        return json.loads(text)
    except ValueError:
        return None


def _sentence(answer: Json) -> str:
    """Return what an error says: field by field what is wrong, or its sentence."""
    if not isinstance(answer, dict):
        return ""
    errors = answer.get("errors")
    if isinstance(errors, dict) and errors:
        return "; ".join(f"{name}: {' '.join(map(str, told))}" for name, told in errors.items())[:_TEXT_LIMIT]
    detail = answer.get("detail")
    return (detail if isinstance(detail, str) else str(answer.get("error") or detail or ""))[:_TEXT_LIMIT]
