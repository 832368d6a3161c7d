"""Running agents in this process: the runner that ``AGENT_RUNNER`` names, its tasks, and how each run ends whatever happens."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError

from cache_streams.agents.grammar import Ending
from cache_streams.agents.openai_endpoint import Endpoint
from cache_streams.agents.openai_runner import OpenAiRunner
from cache_streams.agents.refusals import AgentRefused
from cache_streams.agents.reporting import Report
from cache_streams.agents.rights import Caller
from cache_streams.agents.services import Started, start_run
from cache_streams.agents.wire import read_start
from cache_streams.metrics import AGENTS_RUNNER_ENDS

RUNS_AT_ONCE = 16
"""Runs that one process executes at once; further ones are refused, not queued."""
DEMO_TOOL = "word_count"

logger = structlog.get_logger(__name__)


class Runner(Protocol):
    """Something that can do what it is asked, and reports while it does."""

    name: str

    async def run(self, report: Report, text: str) -> None:
        """Work on ``text`` and report the end. Whatever it raises ends the run as failed."""


class DemoRunner:
    """Counts the words of what it was asked: a real run of all five events, without a language model."""

    name = "demo"

    async def run(self, report: Report, text: str) -> None:
        """Think, call one tool, answer."""
        await report.thinking("Counting the words answers this without a language model.")
        execution_id = await report.executing(DEMO_TOOL, {"text": text})
        began = time.perf_counter()
        words = len(text.split())
        took_s = time.perf_counter() - began
        await report.completed(DEMO_TOOL, execution_id, {"words": words}, duration_s=took_s)
        summary = {"tools_used": [DEMO_TOOL]}
        await report.ended(Ending.SUCCESS, f"You said {words} word(s).", execution_summary=summary)


class AgentRuns:
    """The runs that one event loop executes."""

    def __init__(self, runner: Runner | None) -> None:
        self._runner = runner
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._closing = asyncio.Event()

    async def launch(
        self, caller: Caller, text: str, *, thread_id: str | None = None, run_id: str | None = None
    ) -> Started:
        """Start a run of the caller's and execute it in the background.

        Raises: AgentRefused (NO_RUNNER, RATE_LIMITED and whatever ``start_run`` refuses), Invalid.
        """
        runner = self._runner
        if runner is None or self._closing.is_set():
            raise AgentRefused("NO_RUNNER", "No runner is configured here.")
        if len(self._tasks) + self._starting >= RUNS_AT_ONCE:
            raise AgentRefused("RATE_LIMITED", "Too many runs are being executed; try again.")
        body = {"agent_name": runner.name, "task": text, "thread_id": thread_id, "run_id": run_id}
        draft = read_start({name: value for name, value in body.items() if value is not None})
        self._starting += 1
        try:
            started = await database_sync_to_async(start_run)(caller, draft)
        finally:
            self._starting -= 1
        if started.created:
            work = self._execute(runner, Report(caller, started.run_id), text)
            task = asyncio.create_task(work, name="agent run")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(0)  # a task that is cancelled before its first step could not end its run
            if self._closing.is_set():
                task.cancel()
        return started

    async def close(self) -> None:
        """End every run under way as cancelled, and wait until that is stored."""
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _execute(self, runner: Runner, report: Report, text: str) -> None:
        outcome = "ended"
        try:
            async with asyncio.timeout(settings.AGENT_TIME_MAX_S):
                await runner.run(report, text)
        except TimeoutError:
            outcome = "timeout"
            await _end(report, Ending.TIMEOUT, "The agent took too long.")
        except asyncio.CancelledError:
            outcome = "cancelled"
            await _end(report, Ending.CANCELLED, "The gateway stopped.")
            raise
        except AgentRefused as refused:
            outcome = "refused"  # its owner has cancelled it, or lost the right to run it
            logger.info("agent run stopped", run_id=report.run_id, code=refused.code)
            await _end(report, Ending.FAILED, "The run was stopped.")
        except Exception:  # a task's root: the run must end, and the log says why
            outcome = "failed"
            logger.exception("agent run failed", run_id=report.run_id)
            error = {"code": "RUNNER_FAILED", "message": "The agent failed."}
            await _end(report, Ending.FAILED, "The agent failed.", error=error)
        finally:
            AGENTS_RUNNER_ENDS.labels(outcome).inc()


async def _end(report: Report, ending: Ending, text: str, **more: object) -> None:
    """End a run that its runner has not ended; what cannot be stored now is left to the sweep."""
    try:
        await report.ended(ending, text, **more)
    except AgentRefused as refused:
        logger.info("agent run has ended already", run_id=report.run_id, code=refused.code)
    except DatabaseError as error:
        logger.warning("end of agent run not stored", run_id=report.run_id, error=type(error).__name__)


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, AgentRuns] = WeakKeyDictionary()


def loop_runs() -> AgentRuns:
    """Return the runs of the running event loop, with the configured runner."""
    loop = asyncio.get_running_loop()
    runs = _loops.get(loop)
    if runs is None:
        runs = _loops[loop] = AgentRuns(configured_runner())
    return runs


def configured_runner() -> Runner | None:
    """Return the runner that ``AGENT_RUNNER`` names; None for none."""
    match settings.AGENT_RUNNER:
        case "demo":
            return DemoRunner()
        case "openai":
            return OpenAiRunner(
                Endpoint(settings.AGENT_OPENAI_URL, settings.AGENT_OPENAI_KEY, settings.AGENT_OPENAI_MODEL),
                steps_max=settings.AGENT_STEPS_MAX,
                tokens_max=settings.AGENT_TOKENS_MAX,
            )
    return None
