"""A runner that lets a language model answer questions about the cache: bounded in steps, tokens and (by its caller) time."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from cache_streams.agents.grammar import Ending
from cache_streams.agents.openai_endpoint import Call, Endpoint, ModelUnavailable
from cache_streams.agents.reporting import Report
from cache_streams.agents.tools import TOOLS, ToolFailed
from cache_streams.protocol.strict_json import NotStrict, decode

ANSWER_TOKENS_MAX = 2048
CALLS_PER_STEP = 8
RESULT_CHARACTERS_MAX = 16_384
ARGUMENTS_DEPTH_MAX = 8
TOOL_NAME_MAX = 128
INSTRUCTIONS = (
    "You answer questions about markets and the user's orders from a live trading cache. "
    "Look facts up with the tools; never guess prices or states. Answer briefly."
)

Json = dict[str, Any]  # Any: JSON of any shape


@dataclass(slots=True)
class _Conversation:
    """What was said so far in one run, and what it cost."""

    messages: list[Json]
    tokens: int = 0
    tools_used: list[str] = field(default_factory=list)

    def summary(self) -> Json:
        """Return the ``execution_summary``."""
        return {"tools_used": self.tools_used, "total_tokens": self.tokens}


class OpenAiRunner:
    """Asks the model, calls the tools it wants, and asks again until it answers in words."""

    name = "assistant"

    def __init__(self, endpoint: Endpoint, *, steps_max: int, tokens_max: int) -> None:
        self._endpoint, self._steps_max, self._tokens_max = endpoint, steps_max, tokens_max

    async def run(self, report: Report, text: str) -> None:
        """Answer ``text``; a model that is away ends the run as failed, one that does not come to an end as partial."""
        talk = _Conversation([{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text}])
        try:
            answer = await self._converse(report, talk)
        except ModelUnavailable as away:
            error = {"code": "MODEL_UNAVAILABLE", "message": str(away)}
            await report.ended(Ending.FAILED, str(away), error=error, execution_summary=talk.summary())
            return
        if answer is None:
            text = "The agent reached its limit of steps or tokens before it had an answer."
            await report.ended(Ending.PARTIAL, text, execution_summary=talk.summary())
            return
        await report.ended(Ending.SUCCESS, answer, execution_summary=talk.summary())

    async def _converse(self, report: Report, talk: _Conversation) -> str | None:
        """Return the model's answer, None when a limit came first. Raises: ModelUnavailable."""
        declarations = [tool.declaration() for tool in TOOLS.values()]
        async with self._endpoint.client() as client:
            for _ in range(self._steps_max):
                left = min(self._tokens_max - talk.tokens, ANSWER_TOKENS_MAX)
                if left <= 0:
                    return None
                said, used = await self._endpoint.ask(client, talk.messages, declarations, left)
                talk.tokens += used
                calls = (said.tool_calls or [])[:CALLS_PER_STEP]
                if not calls:
                    if not said.content:
                        raise ModelUnavailable("The model said nothing.")
                    return said.content
                names = ", ".join(call.function.name for call in calls)
                await report.thinking(said.content or f"Looking up: {names}.")
                talk.messages.append(_as_message(said.content, calls))
                for call in calls:
                    talk.messages.append(await self._call(report, talk, call))
        return None

    async def _call(self, report: Report, talk: _Conversation, call: Call) -> Json:
        """Call one tool and report it; return what the model is told."""
        name = call.function.name[:TOOL_NAME_MAX] or "unnamed"
        arguments = _arguments(call.function.arguments)
        execution_id = await report.executing(name, arguments or {})
        began = time.perf_counter()
        try:
            results: Json | None = await _look_up(report, name, arguments)
            failure = None
        except ToolFailed as failed:
            results, failure = None, str(failed)
        took_s = time.perf_counter() - began
        await report.completed(name, execution_id, results, duration_s=took_s, error=failure)
        talk.tools_used.append(name)
        told = json.dumps({"error": failure} if failure else results)[:RESULT_CHARACTERS_MAX]
        return {"role": "tool", "tool_call_id": call.id, "content": told}


async def _look_up(report: Report, name: str, arguments: Json | None) -> Json:
    tool = TOOLS.get(name)
    if tool is None:
        raise ToolFailed(f"There is no such tool; there are {', '.join(TOOLS)}.")
    if arguments is None:
        raise ToolFailed("The arguments must be a JSON object.")
    return await tool.call(report.caller.rights, arguments)


def _arguments(text: str) -> Json | None:
    """Return the arguments as the model wrote them, None when they are no JSON object."""
    try:
        arguments = decode(text or "{}", ARGUMENTS_DEPTH_MAX)
    except NotStrict:
        return None
    return arguments if isinstance(arguments, dict) else None


def _as_message(content: str | None, calls: list[Call]) -> Json:
    """Return what the model said, as it wants to hear it again."""
    wanted = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in calls
    ]
    return {"role": "assistant", "content": content, "tool_calls": wanted}
