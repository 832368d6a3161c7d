"""What a runner says while it works: each word is an event that goes through the services like everybody's."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from channels.db import database_sync_to_async

from cache_streams.agents.grammar import Ending
from cache_streams.agents.rights import Caller
from cache_streams.agents.services import append_events
from cache_streams.agents.wire import read_event

REASONING_MAX = 8192
RESPONSE_MAX = 32_768

Json = Any  # Any: JSON of any shape


@dataclass(slots=True)
class Report:
    """One run under way. Every method raises AgentRefused once the run has ended otherwise: stop then."""

    caller: Caller
    run_id: str
    _began: float = field(default_factory=time.monotonic)

    async def thinking(self, reasoning: str) -> None:
        """Tell a thought; a very long one is cut."""
        await self._append({"type": "agent_thinking", "reasoning": reasoning[:REASONING_MAX]})

    async def executing(self, tool_name: str, parameters: dict[str, Json]) -> str:
        """Tell that a tool is called; return the id of the call."""
        execution_id = uuid.uuid4().hex
        await self._append(
            {
                "type": "tool_executing",
                "tool_name": tool_name,
                "parameters": parameters,
                "execution_id": execution_id,
            }
        )
        return execution_id

    async def completed(
        self, tool_name: str, execution_id: str, results: Json, *, duration_s: float, error: str | None = None
    ) -> None:
        """Tell what the tool answered; ``error`` says that it failed, and why."""
        outcome = {"results": results, "duration": round(duration_s, 6), "success": error is None}
        named = {"type": "tool_completed", "tool_name": tool_name, "execution_id": execution_id}
        await self._append(named | outcome | ({} if error is None else {"error": error}))

    async def ended(self, ending: Ending, response: str, **more: Json) -> None:
        """Tell the end: ``execution_summary`` and ``error`` are further fields."""
        await self._append(
            {
                "type": "agent_completed",
                "status": str(ending),
                "final_response": response[:RESPONSE_MAX],
                "duration": round(time.monotonic() - self._began, 6),
                **more,
            }
        )

    async def _append(self, event: dict[str, Json]) -> None:
        draft = read_event(event)
        await database_sync_to_async(append_events)(self.caller, self.run_id, [draft])
