"""Which event may follow which in a run: a pure state machine, so that every order can be tested without a database."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

OPEN_TOOLS_MAX = 16


class Kind(enum.StrEnum):
    """The five things an agent can report."""

    STARTED = "agent_started"
    THINKING = "agent_thinking"
    TOOL_EXECUTING = "tool_executing"
    TOOL_COMPLETED = "tool_completed"
    COMPLETED = "agent_completed"


class Phase(enum.StrEnum):
    """Where a run stands."""

    NEW = "NEW"
    RUNNING = "RUNNING"
    CLOSED = "CLOSED"


class Ending(enum.StrEnum):
    """How a run may end: the ``status`` of its ``agent_completed``."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


ABORTING = frozenset({Ending.FAILED, Ending.CANCELLED, Ending.TIMEOUT})
"""Endings that close what is still open by themselves."""


@dataclass(frozen=True, slots=True)
class OpenTool:
    """A tool that was called and has not answered; ``opened_ms`` in Unix milliseconds."""

    execution_id: str
    tool_name: str
    opened_ms: int = 0


@dataclass(frozen=True, slots=True)
class RunState:
    """What decides about the next event; ``open_tools`` in opening order. ``strict`` is the run's profile."""

    phase: Phase = Phase.NEW
    open_tools: tuple[OpenTool, ...] = ()
    thought: bool = False
    used_tool: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What the grammar looks at in one event."""

    kind: Kind
    execution_id: str | None = None
    tool_name: str | None = None
    ending: Ending | None = None
    at_ms: int = 0


class OutOfOrder(ValueError):
    """The event may not come now; ``allowed`` are the types that may, and the text says why in fixed words."""

    def __init__(self, state: RunState, why: str) -> None:
        super().__init__(why)
        self.phase = state.phase
        self.allowed = allowed_after(state)


class ExecutionUnclear(ValueError):
    """A ``tool_completed`` without ``execution_id`` while more than one tool is open."""


def allowed_after(state: RunState) -> tuple[Kind, ...]:
    """Return the types that may follow, as far as the type alone decides."""
    if state.phase is Phase.NEW:
        return (Kind.STARTED,)
    if state.phase is Phase.CLOSED:
        return ()
    kinds = [Kind.THINKING]
    if len(state.open_tools) < OPEN_TOOLS_MAX:
        kinds.append(Kind.TOOL_EXECUTING)
    if state.open_tools:
        kinds.append(Kind.TOOL_COMPLETED)
    return (*kinds, Kind.COMPLETED)


def advance(state: RunState, step: Step) -> RunState:
    """Return the state after ``step``. Raises: OutOfOrder, ExecutionUnclear; then nothing has happened.

    An aborting end with tools open is refused here too: ``aborts`` says what must be reported before it.
    """
    if step.kind not in allowed_after(state):
        raise OutOfOrder(state, _why_not(state, step.kind))
    match step.kind:
        case Kind.STARTED:
            return replace(state, phase=Phase.RUNNING)
        case Kind.THINKING:
            return replace(state, thought=True)
        case Kind.TOOL_EXECUTING:
            return _open(state, step)
        case Kind.TOOL_COMPLETED:
            closed = answering(state, step)
            left = tuple(tool for tool in state.open_tools if tool is not closed)
            return replace(state, open_tools=left, used_tool=True)
        case Kind.COMPLETED:
            return _close(state, step)


def answering(state: RunState, step: Step) -> OpenTool:
    """Return the open tool that a ``tool_completed`` answers. Raises: OutOfOrder, ExecutionUnclear."""
    if step.execution_id is None and len(state.open_tools) > 1:
        raise ExecutionUnclear
    for tool in state.open_tools:
        if step.execution_id in (None, tool.execution_id):
            if tool.tool_name != step.tool_name:
                raise OutOfOrder(state, "tool_name differs from the tool that was called")
            return tool
    raise OutOfOrder(state, "no open tool has this execution_id")


def aborts(state: RunState, ending: Ending) -> Sequence[OpenTool]:
    """Return the open tools that an end of this kind closes first, in opening order; none for a proper end."""
    return state.open_tools if state.phase is Phase.RUNNING and ending in ABORTING else ()


def _open(state: RunState, step: Step) -> RunState:
    if step.execution_id is None or step.tool_name is None:
        raise OutOfOrder(state, "a tool call needs execution_id and tool_name")
    if any(tool.execution_id == step.execution_id for tool in state.open_tools):
        raise OutOfOrder(state, "this execution_id is open already")
    opened = OpenTool(step.execution_id, step.tool_name, step.at_ms)
    return replace(state, open_tools=(*state.open_tools, opened))


def _close(state: RunState, step: Step) -> RunState:
    if state.open_tools:
        raise OutOfOrder(state, "a tool is still open")
    if state.strict and step.ending is Ending.SUCCESS and not (state.thought and state.used_tool):
        raise OutOfOrder(state, "a strict run succeeds only after a thought and a completed tool")
    return replace(state, phase=Phase.CLOSED)


def _why_not(state: RunState, kind: Kind) -> str:
    if state.phase is Phase.NEW:
        return "the run has not started"
    if state.phase is Phase.CLOSED:
        return "the run has ended"
    if kind is Kind.TOOL_EXECUTING:
        return f"{OPEN_TOOLS_MAX} tools are open already"
    return "no tool is open" if kind is Kind.TOOL_COMPLETED else "the run has started already"
