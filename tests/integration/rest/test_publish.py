"""Producers publish over REST: as collectors write, checked field by field, all or nothing, and with a trail."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from websockets.asyncio.client import connect as open_socket

from accounts.keys import create_key
from accounts.models import User
from cache_streams.metrics import PUBLISHED
from cache_streams.models import Publication
from cache_streams.rest.publish.shapes import ENTRIES
from cache_streams.streams import REGISTRY
from tests.conftest import TokenFactory
from tests.counts import count
from tests.integration.cache_sockets import token_of
from tests.integration.native.client import PATH, Native
from tests.integration.rest.conftest import ERROR_MEMBERS, Answer, Person
from tests.integration.rest.relaying import eventually
from tests.integration.wire.collector import Collector, fresh_account, fresh_name
from tests.live import LiveServer
from tests.settings import TEST_REDIS

TICK = {"price": 5.5, "bid": 5.0}
TRADE = {"trade_id": 7, "side": "buy", "price": "2.5", "volume": 3, "time": "2026-01-15T10:30:00Z"}
ORDER = {"symbol": "BTC/USDC", "side": "sell", "status": "open", "volume": 2.0, "ex_id": 7}
BAR = [1700000040, 2, 4, 1, 3, 10]


def entry(stream: str, name: str) -> dict[str, Any]:
    """Return an entry of each stream, about ``name``."""
    known: dict[str, dict[str, Any]] = {
        "tickers": {"exchange": name, "symbol": "BTC/USDC", "value": TICK},
        "trades": {"exchange": name, "symbol": "BTC/USDC", "value": TRADE},
        "orders": {"exchange": name, "order_id": "O1", "value": ORDER},
        "accounts": {"account": name, "value": {"USDC": {"total": 3.0, "free": 2.0, "used": 1.0}}},
        "positions": {"account": name, "value": {"BTC/USDC": {"volume": -2.0, "price": 3.0, "cost": 6.0}}},
        "bots": {"bot": name, "value": {"0": {"status": "running", "symbols": ["BTC/USDC"]}}},
        "ohlcv": {"symbol": f"{name}/USDC", "timeframe": "1m", "value": BAR},
        "process": {"process_id": f"tick:{name}:1.5", "value": {"status": "running", "params": {"a": 1}}},
    }
    return known[stream]


@pytest.fixture(autouse=True)
def _on(settings: Settings) -> None:
    settings.CACHE_PUBLISH = True


@pytest.fixture
def producer(client: Client, db: None) -> Person:
    user = User.objects.create_user(f"{fresh_name('producer')}@example.org")
    user.groups.add(Group.objects.get(name="producer"))
    return Person(client, user)


def publish(person: Person, stream: str, *entries: object, **headers: str) -> Answer:
    return person.post(f"/{stream}/", {"entries": entries}, **headers)


def errors(answer: Answer) -> dict[str, list[str]]:
    assert answer.status_code == 422, answer.content
    told: dict[str, list[str]] = answer.json()["errors"]
    return told


class TestWhoMay:
    @pytest.mark.parametrize("role", [None, "viewer", "trader", "staff"])
    def test_who_lacks_the_permission_may_not(self, client: Client, db: None, role: str | None) -> None:
        user = User.objects.create_user("somebody@example.org", is_staff=role == "staff")
        if role:
            user.groups.add(Group.objects.get(name=role))
        answer = publish(Person(client, user), "tickers", entry("tickers", "k"))
        assert (answer.status_code, set(answer.json())) == (403, ERROR_MEMBERS)

    def test_a_stranger_is_401(self, client: Client, db: None) -> None:
        assert client.post("/api/v1/cache/tickers/", {}, "application/json").status_code == 401

    def test_it_is_off_unless_the_deployment_says_otherwise(
        self, producer: Person, settings: Settings
    ) -> None:
        settings.CACHE_PUBLISH = False
        answer = publish(producer, "tickers", entry("tickers", "k"))
        assert (answer.status_code, "CACHE_PUBLISH" in answer.json()["detail"]) == (403, True)

    @pytest.mark.parametrize(
        ("scopes", "status"), [("", 403), ("read,write", 403), ("publish", 200), ("read,publish", 200)]
    )
    def test_a_key_must_name_the_scope(
        self, producer: Person, collector: Collector, scopes: str, status: int
    ) -> None:
        _, raw = create_key(producer.user, scopes=scopes)
        producer.headers = {"X-API-Key": raw}
        assert publish(producer, "tickers", entry("tickers", fresh_name())).status_code == status

    @pytest.mark.parametrize(("claimed", "status"), [(["read", "write"], 403), (["publish"], 200)])
    def test_a_narrowed_token_must_name_it(
        self, producer: Person, collector: Collector, token: TokenFactory, claimed: list[str], status: int
    ) -> None:
        producer.headers = {"Authorization": f"Bearer {token(producer.user.pk, permissions=claimed)}"}
        assert publish(producer, "tickers", entry("tickers", fresh_name())).status_code == status

    def test_agent_events_are_not_published_here(self, producer: Person) -> None:
        assert {stream.name for stream in REGISTRY} - set(ENTRIES) == {"agents"}
        assert producer.post("/agents/", {"entries": []}).status_code in {404, 405}

    def test_there_is_a_limit_of_requests(
        self, producer: Person, collector: Collector, settings: Settings
    ) -> None:
        settings.PUBLISHES_PER_MINUTE = 1
        answers = [publish(producer, "tickers", entry("tickers", fresh_name())) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].headers["X-RateLimit-Limit"] == "1"


class TestLayout:
    def test_a_tick_is_written_as_a_collector_writes_it(self, producer: Person, collector: Collector) -> None:
        name = fresh_name()
        told = publish(producer, "tickers", entry("tickers", name)).json()
        assert (told["stream"], told["accepted"]) == ("tickers", 1)
        stored = json.loads(collector.do("HGET", f"tickers:{name}", "BTC/USDC"))
        assert abs(stored.pop("time") - time.time()) < 60
        assert stored == {"symbol": "BTC/USDC", "exchange": name, **TICK}
        assert float(collector.do("GET", f"ticker_time:{name}:BTC/USDC")) > 0

    def test_trades_are_pushed_in_their_order(self, producer: Person, collector: Collector) -> None:
        name = fresh_name()
        made = [{**entry("trades", name), "value": {**TRADE, "trade_id": number}} for number in range(3)]
        publish(producer, "trades", *made)
        pushed = [json.loads(raw) for raw in collector.do("LRANGE", f"trades:{name}:BTCUSDC", 0, -1)]
        assert [trade["trade_id"] for trade in pushed] == [0, 1, 2]
        assert pushed[0]["time"] == 1768473000.0
        assert collector.do("EXISTS", f"TRADE:STATUS:{name}") == 1

    def test_a_canceled_order_lets_the_others_live(self, producer: Person, collector: Collector) -> None:
        name = fresh_name()
        publish(producer, "orders", {**entry("orders", name), "value": {**ORDER, "status": "canceled"}})
        assert collector.do("TTL", f"order_status:{name}") == -1

    def test_no_positions_take_the_field_away(self, producer: Person, collector: Collector) -> None:
        account = str(fresh_account())
        publish(producer, "positions", entry("positions", account))
        assert collector.do("HEXISTS", "account_positions", account) == 1
        publish(producer, "positions", {"account": account, "value": {}})
        assert collector.do("HEXISTS", "account_positions", account) == 0

    def test_a_process_that_stops_is_no_longer_among_the_active(
        self, producer: Person, collector: Collector
    ) -> None:
        made = entry("process", fresh_name())
        publish(producer, "process", made)
        assert 0 < collector.do("TTL", f"process:data:{made['process_id']}") <= 86_400
        assert collector.do("HEXISTS", "process:active:tick", made["process_id"]) == 1
        publish(producer, "process", {**made, "value": {"status": "stopped"}})
        assert collector.do("HEXISTS", "process:active:tick", made["process_id"]) == 0

    READ: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "tickers": ("/tickers/{}/BTC/USDC", lambda data: data["price"] == 5.5),
        "trades": ("/trades/{}/BTC/USDC", lambda data: data[0]["trade_id"] == "7" and data[0]["price"] == 2.5),
        "orders": ("/orders/{}/7", lambda data: data[0]["status"] == "open" and data[0]["time"] > 0),
        "accounts": ("/accounts/{}", lambda data: data["balances"]["USDC"]["free"] == 2.0 and data["time"] > 0),
        "positions": ("/positions/{}", lambda data: data["positions"][0]["side"] == "short"),
        "bots": ("/bots/{}", lambda data: data["feeds"]["0"]["symbols"] == ["BTC/USDC"] and data["time"] > 0),
        "ohlcv": ("/ohlcv/{}/USDC/1m", lambda data: data["high"] == 4.0),
        "process": ("/process/tick", lambda data: any(p["params"] == {"a": 1} and not p["stale"] for p in data)),
    }  # fmt: skip

    @pytest.mark.parametrize("stream", ENTRIES)
    def test_what_was_published_is_what_snapshots_tell(
        self, producer: Person, staff: Person, collector: Collector, stream: str
    ) -> None:
        name = fresh_name()
        before = count(PUBLISHED, stream)
        assert publish(producer, stream, entry(stream, name)).json()["accepted"] == 1
        assert count(PUBLISHED, stream) == before + 1
        path, tells = self.READ[stream]
        staff.until(path.format(name), lambda told: told["data"] != [] and tells(told["data"]))


class TestRefusals:
    @pytest.mark.parametrize(
        ("stream", "change", "field"),
        [
            ("tickers", {"exchange": ""}, "entries.0.exchange"),
            ("tickers", {"exchange": "a:b"}, "entries.0.exchange"),
            ("tickers", {"exchange": True}, "entries.0.exchange"),
            ("tickers", {"symbol": 7}, "entries.0.symbol"),
            ("tickers", {"symbol": "x" * 129}, "entries.0.symbol"),
            ("tickers", {"symbol": " x"}, "entries.0.symbol"),
            ("tickers", {"value": {}}, "entries.0.value.price"),
            ("tickers", {"value": {"price": "NaN"}}, "entries.0.value.price"),
            ("tickers", {"value": {"price": True}}, "entries.0.value.price"),
            ("tickers", {"value": {"price": 1, "time": "soon"}}, "entries.0.value.time"),
            ("tickers", {"value": {"price": 1, "pirce": 2}}, "entries.0.value.pirce"),
            ("tickers", {"value": []}, "entries.0.value"),
            ("tickers", {"colour": "red"}, "entries.0.colour"),
            ("trades", {"value": {**TRADE, "side": "up"}}, "entries.0.value.side"),
            ("trades", {"value": {**TRADE, "volume": -1}}, "entries.0.value.volume"),
            ("trades", {"value": {**TRADE, "trade_id": []}}, "entries.0.value.trade_id"),
            ("orders", {"value": {**ORDER, "futures": 1}}, "entries.0.value.futures"),
            ("orders", {"value": {**ORDER, "status": ""}}, "entries.0.value.status"),
            ("accounts", {"value": {"USDC": {"total": 1, "free": 1}}}, "entries.0.value.USDC.used"),
            ("accounts", {"value": {"date": {"total": 1, "free": 1, "used": 0}}}, "entries.0.value"),
            ("positions", {"value": {"A/B": {"volume": 1, "price": 1, "cost": 1, "side": "up"}}}, "entries.0.value.A/B.side"),
            ("bots", {"value": {"0": "running"}}, "entries.0.value.0"),
            ("bots", {"value": {str(n): {} for n in range(501)}}, "entries.0.value"),
            ("ohlcv", {"timeframe": "7m"}, "entries.0.timeframe"),
            ("ohlcv", {"value": [1, 2, 3]}, "entries.0.value"),
            ("ohlcv", {"value": [1700000040, 2, 1, 4, 3, 10]}, "entries.0.value"),
            ("ohlcv", {"value": [1e300, 2, 4, 1, 3, 10]}, "entries.0.value"),
            ("ohlcv", {"value": [1700000040, 2, 4, 1, 3, -1]}, "entries.0.value"),
            ("process", {"process_id": "x"}, "entries.0.process_id"),
            ("process", {"process_id": "yacht:a:1"}, "entries.0.process_id"),
            ("process", {"value": {"status": "asleep"}}, "entries.0.value.status"),
        ],
    )  # fmt: skip
    def test_a_field_that_breaks_a_rule_is_named(
        self, producer: Person, stream: str, change: dict[str, object], field: str
    ) -> None:
        assert set(errors(publish(producer, stream, {**entry(stream, "k"), **change}))) == {field}

    def test_every_bad_field_of_every_entry_is_named_at_once(self, producer: Person) -> None:
        good = entry("tickers", "k")
        told = errors(publish(producer, "tickers", good, {**good, "exchange": "", "value": {"bid": "x"}}))
        assert set(told) == {"entries.1.exchange", "entries.1.value.price", "entries.1.value.bid"}

    def test_one_bad_entry_keeps_all_out(self, producer: Person, collector: Collector) -> None:
        name = fresh_name()
        publish(producer, "tickers", entry("tickers", name), {**entry("tickers", name), "symbol": ""})
        assert collector.do("EXISTS", f"tickers:{name}") == 0
        assert not Publication.objects.exists()

    @pytest.mark.parametrize("body", [{}, {"entries": []}, {"entries": {}}, [], {"entries": [1]}])
    def test_a_body_of_another_shape_is_refused(self, producer: Person, body: object) -> None:
        assert producer.post("/tickers/", body).status_code == 422

    def test_more_entries_than_the_bound_are_refused(self, producer: Person) -> None:
        assert set(errors(publish(producer, "tickers", *[entry("tickers", "k")] * 501))) == {"entries"}

    def test_a_value_that_is_too_large_as_stored_is_refused_and_named(self, producer: Person) -> None:
        small, large = ({"bot": "b", "value": {"0": {"text": "x" * size}}} for size in (10, 70_000))
        assert set(errors(publish(producer, "bots", small, large))) == {"entries.1.value"}

    def test_a_key_of_another_type_is_409_and_nothing_is_written(
        self, producer: Person, collector: Collector
    ) -> None:
        name, other = fresh_name(), fresh_name()
        collector.do("SET", f"tickers:{other}", "x")
        answer = publish(producer, "tickers", entry("tickers", name), entry("tickers", other))
        assert (answer.status_code, answer.json()["error_code"]) == (409, "CONFLICT")
        assert collector.do("EXISTS", f"tickers:{name}") == 0
        assert set(Publication.objects.values_list("failed", flat=True)) == {True}
        collector.do("DEL", f"tickers:{other}")


def test_a_redis_that_does_not_answer_is_503_and_the_trail_says_that_it_failed(
    producer: Person, collector: Collector
) -> None:
    os.kill(TEST_REDIS.pid, signal.SIGSTOP)
    try:
        answer = publish(producer, "tickers", entry("tickers", fresh_name()))
    finally:
        os.kill(TEST_REDIS.pid, signal.SIGCONT)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "CACHE_UNAVAILABLE")
    assert Publication.objects.get().failed
    eventually(lambda: producer.get("/tickers").status_code == 200)


class TestTrail:
    def test_it_says_who_when_which_and_by_which_request(
        self, producer: Person, collector: Collector
    ) -> None:
        name = fresh_name()
        key, raw = create_key(producer.user, scopes="publish")
        producer.headers = {"X-API-Key": raw}
        publish(producer, "trades", *[entry("trades", name)] * 2, **{"X-Request-ID": "r-7"})
        row = Publication.objects.get()
        assert (row.user_id, row.mail, row.api_key_id) == (producer.user.pk, producer.user.mail, key.pk)
        assert (row.stream, row.key, row.count) == ("trades", f"{name}:BTC/USDC", 2)
        assert (row.request_id, row.failed) == ("r-7", False)

    def test_it_outlives_the_user(self, producer: Person, collector: Collector) -> None:
        mail = producer.user.mail
        publish(producer, "tickers", entry("tickers", fresh_name()))
        producer.user.delete()
        row = Publication.objects.get()
        assert (row.user_id, row.mail) == (None, mail)

    def test_only_the_newest_are_kept(
        self, producer: Person, collector: Collector, settings: Settings
    ) -> None:
        settings.PUBLICATIONS_KEPT = 3
        for _ in range(3):
            publish(producer, "tickers", entry("tickers", fresh_name()), entry("tickers", fresh_name()))
        assert Publication.objects.count() == 3

    def test_a_request_costs_the_same_however_many_keys_it_has(
        self,
        producer: Person,
        collector: Collector,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        publish(producer, "tickers", entry("tickers", fresh_name()))
        for many in (1, 20):
            made = [entry("tickers", fresh_name()) for _ in range(many)]
            with django_assert_num_queries(3):  # the caller, the rows, those that are too old
                publish(producer, "tickers", *made)

    def test_staff_reads_it_on_the_admin_site_and_nobody_changes_it(
        self, producer: Person, collector: Collector, client: Client
    ) -> None:
        publish(producer, "tickers", entry("tickers", fresh_name()), **{"X-Request-ID": "find-me"})
        row = Publication.objects.get()
        client.force_login(User.objects.create_superuser("root@example.org"))
        listed = client.get("/admin/cache_streams/publication/?q=find-me").content.decode()
        assert row.key in listed
        assert client.get(f"/admin/cache_streams/publication/{row.pk}/change/").status_code == 200
        for action in ("delete", "change"):
            answer = client.post(f"/admin/cache_streams/publication/{row.pk}/{action}/", {"post": "yes"})
            assert answer.status_code == 403


ASKED: dict[str, Callable[[str], dict[str, str]]] = {
    "tickers": lambda name: {"exchange": name, "symbol": "BTC/USDC"},
    "trades": lambda name: {"exchange": name, "symbol": "BTC/USDC"},
    "orders": lambda name: {"exchange": name, "account": "7"},
    "accounts": lambda name: {"account": name},
    "positions": lambda name: {"account": name},
    "bots": lambda name: {"bot": name},
    "ohlcv": lambda name: {"symbol": f"{name}/USDC", "timeframe": "1m"},
    "process": lambda _: {"type": "tick"},
}


def about(name: str) -> Callable[[dict[str, Any]], bool]:
    """Return what finds a frame that tells of ``name``."""
    return lambda frame: name in json.dumps(frame.get("data"))


async def test_a_value_of_each_stream_goes_all_the_way_to_a_socket(open_server: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {token_of(open_server)}"}
    async with (
        open_socket(f"{open_server.ws_url}{PATH}", additional_headers=headers) as connection,
        httpx.AsyncClient(base_url=open_server.url, headers=headers, timeout=30.0) as http,
    ):
        socket = Native(connection)
        for stream in ENTRIES:
            name = fresh_name("w")
            await socket.subscribe(stream, **ASKED[stream](name))
            answer = await http.post(f"/api/v1/cache/{stream}/", json={"entries": [entry(stream, name)]})
            assert answer.status_code == 200, answer.text
            await socket.told(about(name), type="update", stream=stream)
