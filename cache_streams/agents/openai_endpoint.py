"""A language model behind any endpoint that speaks OpenAI's ``/chat/completions``: one bounded question at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

ANSWER_BYTES_MAX = 1_048_576
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0

Json = dict[str, Any]  # Any: JSON of any shape


class ModelUnavailable(Exception):
    """The endpoint does not answer, or not as it should; the text is fixed, and never holds URL, key or answer."""


class Function(msgspec.Struct, frozen=True):
    """A tool that the model calls; ``arguments`` is JSON text as the model wrote it."""

    name: str
    arguments: str = "{}"


class Call(msgspec.Struct, frozen=True):
    """One call; the model finds its answer by ``id``."""

    id: str
    function: Function


class Said(msgspec.Struct, frozen=True):
    """What the model said: words, calls of tools, or both."""

    content: str | None = None
    tool_calls: list[Call] | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: Said


class _Usage(msgspec.Struct, frozen=True):
    total_tokens: int = 0


class _Completion(msgspec.Struct, frozen=True):
    choices: list[_Choice]
    usage: _Usage | None = None


_DECODER = msgspec.json.Decoder(_Completion)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is: ``url`` is the part before ``/chat/completions``."""

    url: str
    key: str | None = field(repr=False)
    model: str

    def client(self) -> httpx.AsyncClient:
        """Return a client for one run; use it as a context manager."""
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        return httpx.AsyncClient(headers=headers, timeout=timeout, follow_redirects=False)

    async def ask(
        self, client: httpx.AsyncClient, messages: list[Json], tools: list[Json], tokens_max: int
    ) -> tuple[Said, int]:
        """Return what the model says next, and the tokens that question and answer used. Raises: ModelUnavailable."""
        question = {"model": self.model, "messages": messages, "tools": tools, "max_tokens": tokens_max}
        try:
            async with client.stream("POST", f"{self.url}/chat/completions", json=question) as response:
                if response.status_code != httpx.codes.OK:
                    raise ModelUnavailable(f"The model's endpoint answered {response.status_code}.")
                raw = await _bounded(response)
            completion = _DECODER.decode(raw)
        except httpx.HTTPError:
            raise ModelUnavailable(
                "The model's endpoint does not answer."
            ) from None  # a cause may name the URL
        except msgspec.DecodeError:
            raise ModelUnavailable(
                "The model's endpoint answered something else than a completion."
            ) from None
        if not completion.choices:
            raise ModelUnavailable("The model's endpoint answered no choice.")
        used = completion.usage.total_tokens if completion.usage is not None else 0
        # Who does not count is taken to have used all that it was allowed.
        return completion.choices[0].message, used if used > 0 else tokens_max


async def _bounded(response: httpx.Response) -> bytes:
    raw = bytearray()
    async for piece in response.aiter_bytes():
        raw += piece
        if len(raw) > ANSWER_BYTES_MAX:
            raise ModelUnavailable(f"The model's endpoint answered more than {ANSWER_BYTES_MAX} bytes.")
    return bytes(raw)
