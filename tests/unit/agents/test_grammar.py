"""The order of events in a run: every legal walk is taken, every illegal step refused."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from cache_streams.agents.grammar import (
    ABORTING,
    OPEN_TOOLS_MAX,
    Ending,
    ExecutionUnclear,
    Kind,
    OpenTool,
    OutOfOrder,
    Phase,
    RunState,
    Step,
    aborts,
    advance,
    allowed_after,
    answering,
)

NEW = RunState()
RUNNING = RunState(phase=Phase.RUNNING)
ONE_OPEN = replace(RUNNING, open_tools=(OpenTool("x1", "lookup"),))
FULL = replace(
    RUNNING, open_tools=tuple(OpenTool(f"x{number}", "lookup") for number in range(1, OPEN_TOOLS_MAX + 1))
)
CLOSED = RunState(phase=Phase.CLOSED)

STARTED = Step(Kind.STARTED)
THINKING = Step(Kind.THINKING)
OPENS_X1 = Step(Kind.TOOL_EXECUTING, "x1", "lookup")
OPENS_Y = Step(Kind.TOOL_EXECUTING, "y", "lookup")
CLOSES_X1 = Step(Kind.TOOL_COMPLETED, "x1", "lookup")
CLOSES_X1_BY_ANOTHER_NAME = Step(Kind.TOOL_COMPLETED, "x1", "search")
CLOSES_Y = Step(Kind.TOOL_COMPLETED, "y", "lookup")
SUCCEEDS = Step(Kind.COMPLETED, ending=Ending.SUCCESS)

LEGAL = {
    ("new", "started"),
    ("running", "thinking"),
    ("running", "opens x1"),
    ("running", "opens y"),
    ("running", "succeeds"),
    ("one open", "thinking"),
    ("one open", "opens y"),
    ("one open", "closes x1"),
    ("full", "thinking"),
    ("full", "closes x1"),
}
STATES = {"new": NEW, "running": RUNNING, "one open": ONE_OPEN, "full": FULL, "closed": CLOSED}
STEPS = {
    "started": STARTED,
    "thinking": THINKING,
    "opens x1": OPENS_X1,
    "opens y": OPENS_Y,
    "closes x1": CLOSES_X1,
    "closes x1 by another name": CLOSES_X1_BY_ANOTHER_NAME,
    "closes y": CLOSES_Y,
    "succeeds": SUCCEEDS,
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("step", STEPS)
def test_every_pair_of_state_and_step_is_legal_or_refused(state: str, step: str) -> None:
    if (state, step) in LEGAL:
        advance(STATES[state], STEPS[step])
        return
    with pytest.raises(OutOfOrder) as refused:
        advance(STATES[state], STEPS[step])
    assert refused.value.phase == STATES[state].phase
    assert refused.value.allowed == allowed_after(STATES[state])


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (NEW, {Kind.STARTED}),
        (RUNNING, {Kind.THINKING, Kind.TOOL_EXECUTING, Kind.COMPLETED}),
        (ONE_OPEN, {Kind.THINKING, Kind.TOOL_EXECUTING, Kind.TOOL_COMPLETED, Kind.COMPLETED}),
        (FULL, {Kind.THINKING, Kind.TOOL_COMPLETED, Kind.COMPLETED}),
        (CLOSED, set()),
    ],
)
def test_a_state_names_what_may_follow(state: RunState, kinds: set[Kind]) -> None:
    assert set(allowed_after(state)) == kinds


def walk(chance: random.Random) -> None:
    """Take random steps and compare every verdict with a model that keeps plain sets."""
    state = RunState(strict=chance.random() < 0.3)
    open_now: dict[str, str] = {}
    phase, thought, used = "new", False, False
    for _ in range(chance.randrange(40)):
        kind = chance.choice(list(Kind))
        execution = f"x{chance.randrange(20)}"
        tool = chance.choice("ab")
        ending = chance.choice(list(Ending))
        legal = {
            Kind.STARTED: phase == "new",
            Kind.THINKING: phase == "running",
            Kind.TOOL_EXECUTING: phase == "running" and execution not in open_now and len(open_now) < 16,
            Kind.TOOL_COMPLETED: phase == "running" and open_now.get(execution) == tool,
            Kind.COMPLETED: phase == "running"
            and not open_now
            and (ending is not Ending.SUCCESS or not state.strict or (thought and used)),
        }[kind]
        step = Step(kind, execution, tool, ending if kind is Kind.COMPLETED else None)
        before = state
        try:
            state = advance(state, step)
        except OutOfOrder:
            assert not legal, (before, step)
            assert state is before
            continue
        assert legal, (before, step)
        phase = {Kind.STARTED: "running", Kind.COMPLETED: "closed"}.get(kind, phase)
        thought |= kind is Kind.THINKING
        used |= kind is Kind.TOOL_COMPLETED
        if kind is Kind.TOOL_EXECUTING:
            open_now[execution] = tool
        elif kind is Kind.TOOL_COMPLETED:
            del open_now[execution]
        assert [(tool.execution_id, tool.tool_name) for tool in state.open_tools] == list(open_now.items())


def test_ten_thousand_random_walks_agree_with_a_model_of_the_grammar() -> None:
    chance = random.Random(20260105)
    for _ in range(10_000):
        walk(chance)


def run(*steps: Step, strict: bool = False) -> RunState:
    state = RunState(strict=strict)
    for step in steps:
        state = advance(state, step)
    return state


@pytest.mark.parametrize(
    "steps",
    [
        (STARTED, THINKING, OPENS_X1, CLOSES_X1, SUCCEEDS),
        (STARTED, THINKING, SUCCEEDS),
        (STARTED, OPENS_X1, CLOSES_X1, SUCCEEDS),
        (STARTED, SUCCEEDS),
        (STARTED, OPENS_X1, OPENS_Y, CLOSES_X1, CLOSES_Y, OPENS_X1, CLOSES_X1, SUCCEEDS),
    ],
)
def test_known_orders_end_closed(steps: tuple[Step, ...]) -> None:
    assert run(*steps).phase is Phase.CLOSED


def test_a_strict_run_succeeds_in_the_order_of_all_five() -> None:
    assert run(STARTED, THINKING, OPENS_X1, CLOSES_X1, SUCCEEDS, strict=True).phase is Phase.CLOSED


@pytest.mark.parametrize(
    "steps",
    [(STARTED,), (STARTED, THINKING), (STARTED, OPENS_X1, CLOSES_X1)],
    ids=["nothing", "thought", "tool"],
)
def test_a_strict_run_does_not_succeed_with_less(steps: tuple[Step, ...]) -> None:
    state = run(*steps, strict=True)
    with pytest.raises(OutOfOrder, match="strict"):
        advance(state, SUCCEEDS)
    assert advance(state, Step(Kind.COMPLETED, ending=Ending.PARTIAL)).phase is Phase.CLOSED


@pytest.mark.parametrize("ending", Ending)
def test_an_aborting_end_names_the_open_tools_in_opening_order(ending: Ending) -> None:
    state = run(STARTED, OPENS_Y, OPENS_X1)
    ids = [tool.execution_id for tool in aborts(state, ending)]
    assert ids == (["y", "x1"] if ending in ABORTING else [])


def test_an_answer_without_an_id_is_that_of_the_only_open_tool() -> None:
    assert answering(ONE_OPEN, Step(Kind.TOOL_COMPLETED, None, "lookup")).execution_id == "x1"


def test_an_answer_without_an_id_is_unclear_among_several() -> None:
    with pytest.raises(ExecutionUnclear):
        advance(FULL, Step(Kind.TOOL_COMPLETED, None, "lookup"))


def test_a_tool_remembers_when_it_was_opened() -> None:
    assert run(STARTED, replace(OPENS_X1, at_ms=7)).open_tools == (OpenTool("x1", "lookup", 7),)
