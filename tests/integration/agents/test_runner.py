"""Running agents: the demonstration, a model over HTTP, and that every run ends whatever happens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.db import database_sync_to_async
from pytest_django import Settings
from redis import Redis

from cache_streams.agents import selectors
from cache_streams.agents.grammar import Ending
from cache_streams.agents.models import AgentRun
from cache_streams.agents.openai_endpoint import ANSWER_BYTES_MAX, Endpoint
from cache_streams.agents.openai_runner import OpenAiRunner
from cache_streams.agents.refusals import AgentRefused, Invalid
from cache_streams.agents.reporting import Report
from cache_streams.agents.rights import Caller
from cache_streams.agents.runner import (
    RUNS_AT_ONCE,
    AgentRuns,
    DemoRunner,
    Runner,
    configured_runner,
    loop_runs,
)
from cache_streams.agents.services import Started, cancel_run
from cache_streams.connections import close_shared_redis
from cache_streams.metrics import AGENTS_RUNNER_ENDS
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.counts import count
from tests.integration.agents.language_model import language_model, says
from tests.integration.agents.people import caller, new_user

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 10.0
NOW = 1_767_607_200.0
ORDER = {
    "order_id": "O1", "symbol": "BTC/USDC", "exchange": "kraken", "side": "buy", "order_type": "limit",
    "status": "rejected", "reason": "margin", "volume": 1.0, "final_volume": 0.0, "price": 50_000.0, "ex_id": 7, "uid": 1,
    "timestamp": "2026-01-05T10:00:00+00:00",
}  # fmt: skip
TICKER = {"symbol": "BTC/USDC", "exchange": "kraken", "price": 50_000.5, "time": NOW, "bid": 50_000.0}


@pytest.fixture
async def stocked_cache(fresh_redis: EmbeddedRedis) -> AsyncIterator[None]:
    with Redis.from_url(fresh_redis.url) as client:
        client.hset("tickers:kraken", "BTC/USDC", json.dumps(TICKER))
        client.hset("order_status:kraken", "O1", json.dumps(ORDER))
    yield
    await close_shared_redis()


async def someone(role: str = "user") -> Caller:
    return await database_sync_to_async(lambda: caller(new_user(role)))()


async def events_of(who: Caller) -> list[dict[str, Any]]:
    return await database_sync_to_async(selectors.events_after)(who.user_id, 0)


async def finished(who: Caller) -> list[dict[str, Any]]:
    """Return the events of a user's only run once it has ended."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        events = await events_of(who)
        if events and events[-1]["type"] == "agent_completed":
            return events
        await asyncio.sleep(0.01)
    raise AssertionError(f"the run has not ended: {await events_of(who)}")


class Stuck:
    """Thinks, and then never again."""

    name = "stuck"

    async def run(self, report: Report, text: str) -> None:
        await report.executing("wait", {})
        await asyncio.Event().wait()


class Broken:
    """Fails."""

    name = "broken"

    async def run(self, report: Report, text: str) -> None:
        raise LookupError("a secret detail")


async def test_the_demonstration_is_a_real_run_of_all_five_events() -> None:
    who = await someone()
    started = await AgentRuns(DemoRunner()).launch(who, "why did order 991 fail", thread_id="th-2")
    events = await finished(who)
    assert [event["type"] for event in events] == [
        "agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed",
    ]  # fmt: skip
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert {event["run_id"] for event in events} == {started.run_id}
    assert events[0]["task"] == "why did order 991 fail"
    assert events[2]["execution_id"] == events[3]["execution_id"]
    assert events[3]["results"] == {"words": 5}
    assert (events[4]["status"], events[4]["final_response"]) == ("success", "You said 5 word(s).")


async def test_without_a_runner_nothing_is_started() -> None:
    with pytest.raises(AgentRefused) as refused:
        await AgentRuns(None).launch(await someone(), "x")
    assert refused.value.code == "NO_RUNNER"


async def test_who_may_not_start_runs_launches_none() -> None:
    with pytest.raises(AgentRefused) as refused:
        await AgentRuns(DemoRunner()).launch(await someone("viewer"), "x")
    assert refused.value.code == "FORBIDDEN"


async def test_a_question_is_bounded() -> None:
    with pytest.raises(Invalid) as refused:
        await AgentRuns(DemoRunner()).launch(await someone(), "x" * 4097)
    assert set(refused.value.errors) == {"task"}


async def test_an_equal_launch_is_executed_once() -> None:
    who = await someone()
    runs = AgentRuns(DemoRunner())
    answers = [await runs.launch(who, "x", run_id="r") for _ in range(2)]
    assert [answer.created for answer in answers] == [True, False]
    assert len(await finished(who)) == 5


async def test_a_run_that_takes_too_long_times_out(settings: Settings) -> None:
    settings.AGENT_TIME_MAX_S = 0.2
    who = await someone()
    await AgentRuns(Stuck()).launch(who, "x")
    *_, aborted, ended = await finished(who)
    assert (aborted["error"], ended["status"]) == ("aborted", "timeout")


async def test_a_runner_that_fails_ends_its_run_without_a_detail() -> None:
    who = await someone()
    before = count(AGENTS_RUNNER_ENDS, "failed")
    await AgentRuns(Broken()).launch(who, "x")
    ended = (await finished(who))[-1]
    assert (ended["status"], ended["error"]["code"]) == ("failed", "RUNNER_FAILED")
    assert "secret" not in json.dumps(ended)
    assert count(AGENTS_RUNNER_ENDS, "failed") == before + 1


async def test_closing_ends_every_run_and_takes_no_more() -> None:
    who = await someone()
    runs = AgentRuns(Stuck())
    await runs.launch(who, "x")
    await runs.close()
    assert (await events_of(who))[-1]["status"] == "cancelled"
    with pytest.raises(AgentRefused):
        await runs.launch(who, "x")


async def test_a_run_that_its_owner_cancels_is_left_alone() -> None:
    who = await someone()
    go_on = asyncio.Event()

    class Waiting:
        name = "waiting"

        async def run(self, report: Report, text: str) -> None:
            await go_on.wait()
            await report.thinking("too late")

    before = count(AGENTS_RUNNER_ENDS, "refused")
    started = await AgentRuns(Waiting()).launch(who, "x")
    await database_sync_to_async(cancel_run)(who, started.run_id)
    go_on.set()
    deadline = time.monotonic() + DEADLINE_S
    while count(AGENTS_RUNNER_ENDS, "refused") == before:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert [event["type"] for event in await events_of(who)] == ["agent_started", "agent_completed"]


async def test_runs_at_once_are_bounded() -> None:
    who = await someone()
    runs = AgentRuns(Stuck())
    for _ in range(RUNS_AT_ONCE):
        await runs.launch(who, "x")
    with pytest.raises(AgentRefused) as refused:
        await runs.launch(who, "x")
    assert refused.value.code == "RATE_LIMITED"
    await runs.close()
    assert await database_sync_to_async(AgentRun.objects.filter(status="cancelled").count)() == RUNS_AT_ONCE


async def test_an_event_loop_has_one_set_of_runs(settings: Settings) -> None:
    settings.AGENT_RUNNER = "demo"
    assert loop_runs() is loop_runs()


@pytest.mark.parametrize(
    ("name", "kind"), [("none", type(None)), ("demo", DemoRunner), ("openai", OpenAiRunner)]
)
def test_the_runner_is_a_setting(settings: Settings, name: str, kind: type) -> None:
    settings.AGENT_RUNNER = name
    assert isinstance(configured_runner(), kind)


# -- a language model over HTTP -----------------------------------------------------------------------------------------


def assistant(url: str, *, steps_max: int = 5, tokens_max: int = 1000) -> Runner:
    return OpenAiRunner(Endpoint(url, "k3y", "some-model"), steps_max=steps_max, tokens_max=tokens_max)


async def ask(who: Caller, runner: Runner, text: str = "what is BTC/USDC doing") -> list[dict[str, Any]]:
    started: Started = await AgentRuns(runner).launch(who, text)
    assert started.created
    return await finished(who)


@pytest.mark.usefixtures("stocked_cache")
async def test_a_model_answers_from_the_cache() -> None:
    call = ("get_ticker", '{"exchange": "kraken", "symbol": "BTC/USDC"}')
    who = await someone()
    with language_model(says("Let me look.", call), says("It stands at 50000.5.")) as model:
        events = await ask(who, assistant(model.url))
    _, thinking, executing, completed, ended = events
    assert thinking["reasoning"] == "Let me look."
    assert (executing["tool_name"], executing["parameters"]["symbol"]) == ("get_ticker", "BTC/USDC")
    assert (completed["success"], completed["results"]["price"]) == (True, 50_000.5)
    assert (ended["status"], ended["final_response"]) == ("success", "It stands at 50000.5.")
    assert ended["execution_summary"] == {"tools_used": ["get_ticker"], "total_tokens": 20}


@pytest.mark.usefixtures("stocked_cache")
async def test_the_model_hears_the_question_its_tools_and_what_they_said() -> None:
    call = ("get_ticker", '{"exchange": "kraken", "symbol": "BTCUSDC"}')
    with language_model(says(None, call), says("Done.")) as model:
        await ask(await someone(), assistant(model.url))
    first, second = model.questions
    assert model.headers[0]["path"] == "/v1/chat/completions"
    assert model.headers[0]["authorization"] == "Bearer k3y"
    assert (first["model"], first["messages"][1]["content"]) == ("some-model", "what is BTC/USDC doing")
    assert [tool["function"]["name"] for tool in first["tools"]] == [
        "get_ticker",
        "list_tickers",
        "get_order",
    ]
    told = second["messages"][-1]
    assert (told["role"], told["tool_call_id"]) == ("tool", "call_0")
    assert json.loads(told["content"])["price"] == 50_000.5


@pytest.mark.usefixtures("stocked_cache")
@pytest.mark.parametrize(("role", "found"), [("admin", True), ("user", False)])
async def test_a_model_sees_no_more_orders_than_its_user(role: str, *, found: bool) -> None:
    who = await someone(role)
    with language_model(says(None, ("get_order", '{"order_id": "O1"}')), says("Done.")) as model:
        completed = (await ask(who, assistant(model.url), "why did order O1 not fill"))[3]
    assert completed["success"] is found
    if found:
        assert (completed["results"]["status"], completed["results"]["filled"]) == ("rejected", 0.0)
    else:
        assert (completed["results"], completed["error"]) == (None, "The cache has no such order.")


@pytest.mark.usefixtures("stocked_cache")
@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("sell_everything", "{}", "There is no such tool"),
        ("get_order", "{", "must be a JSON object"),
        ("get_order", "[]", "must be a JSON object"),
        ("get_order", "{}", "needs order_id"),
        ("get_order", '{"order_id": 7}', "must be a text"),
        ("get_order", '{"order_id": "x", "account": "1"}', "takes order_id, exchange only"),
        ("get_ticker", '{"exchange": "kraken", "symbol": "X"}', "no such ticker"),
        ("list_tickers", '{"exchange": "nowhere"}', "no tickers"),
    ],
)
async def test_a_tool_that_cannot_answer_tells_the_model_why(name: str, arguments: str, error: str) -> None:
    with language_model(says(None, (name, arguments)), says("Sorry.")) as model:
        events = await ask(await someone(), assistant(model.url))
    assert error in events[3]["error"]
    assert error in model.questions[1]["messages"][-1]["content"]
    assert events[-1]["status"] == "success"


@pytest.mark.usefixtures("stocked_cache")
async def test_tickers_of_an_exchange_are_listed() -> None:
    with language_model(says(None, ("list_tickers", '{"exchange": "kraken"}')), says("Done.")) as model:
        events = await ask(await someone(), assistant(model.url))
    assert [ticker["symbol"] for ticker in events[3]["results"]["tickers"]] == ["BTC/USDC"]


@pytest.mark.usefixtures("stocked_cache")
@pytest.mark.parametrize(("steps", "tokens", "asked"), [(3, 1000, 3), (50, 25, 3)])
async def test_a_model_that_never_answers_is_stopped(steps: int, tokens: int, asked: int) -> None:
    call = ("list_tickers", '{"exchange": "kraken"}')
    with language_model(says(None, call)) as model:
        events = await ask(await someone(), assistant(model.url, steps_max=steps, tokens_max=tokens))
    assert len(model.questions) == asked
    assert events[-1]["status"] == Ending.PARTIAL


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"error": "the k3y is wrong"}),
        (302, b""),
        (200, b"no json"),
        (200, {"choices": []}),
        (200, b'{"choices": [{"message": {"content": ""}}]}'),
        (200, b"x" * (ANSWER_BYTES_MAX + 1)),
    ],
)
async def test_a_model_that_does_not_answer_fails_the_run_without_its_words(answer: tuple[int, Any]) -> None:
    with language_model(answer) as model:
        ended = (await ask(await someone(), assistant(model.url)))[-1]
    assert (ended["status"], ended["error"]["code"]) == ("failed", "MODEL_UNAVAILABLE")
    assert not any(secret in json.dumps(ended) for secret in ("k3y", model.url, "no json"))


async def test_a_model_that_is_not_there_fails_the_run() -> None:
    with language_model(says("x")) as model:
        pass
    ended = (await ask(await someone(), assistant(model.url)))[-1]
    assert (ended["status"], ended["final_response"]) == ("failed", "The model's endpoint does not answer.")


async def test_a_cache_that_is_away_is_told_to_the_model(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    await close_shared_redis()
    with language_model(says(None, ("get_order", '{"order_id": "O1"}')), says("Sorry.")) as model:
        events = await ask(await someone(), assistant(model.url))
    await close_shared_redis()
    assert events[3]["error"] == "The cache does not answer."
