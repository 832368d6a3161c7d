"""Snapshots over REST: the sockets' own objects, for whoever may see them."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from tests.integration.rest.conftest import CACHE, ERROR_MEMBERS, Person
from tests.integration.rest.relaying import eventually
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position, trade

TICKER = {
    "symbol": "BTC/USDC", "price": 50000.0, "bid": 49999.0, "ask": 50001.0, "last": 50000.0, "volume": 12.5,
    "change": None, "percentage": None, "time": 1700000000.5,
}  # fmt: skip


@pytest.mark.parametrize("symbol", ["BTC/USDC", "BTC%2FUSDC", "BTC/USDC/"])
def test_a_ticker_is_the_object_that_sockets_send(ann: Person, collector: Collector, symbol: str) -> None:
    exchange = fresh_name()
    collector.tick(exchange, "BTC/USDC")
    told = ann.until(f"/tickers/{exchange}/{symbol}", lambda told: True)
    assert told.pop("cursor").count(".") == 1
    assert told == {
        "stream": "tickers", "key": f"{exchange}:BTC/USDC", "seq": 1, "live": True, "next": None,
        "data": {"exchange": exchange, **TICKER},
    }  # fmt: skip


def test_a_change_is_a_higher_seq(ann: Person, collector: Collector) -> None:
    exchange = fresh_name()
    path = f"/tickers/{exchange}/BTC/USDC"
    collector.tick(exchange, "BTC/USDC", price=1.0)
    ann.until(path, lambda told: told["seq"] == 1)
    collector.tick(exchange, "BTC/USDC", price=2.0)
    assert ann.until(path, lambda told: told["seq"] == 2)["data"]["price"] == 2.0


def test_a_value_that_was_deleted_is_no_longer_there(ann: Person, collector: Collector) -> None:
    exchange = fresh_name()
    path = f"/tickers/{exchange}/BTC/USDC"
    collector.tick(exchange, "BTC/USDC")
    ann.until(path, lambda told: True)
    collector.do("HDEL", f"tickers:{exchange}", "BTC/USDC")
    collector.do("PUBLISH", f"ticker_updates:{exchange}:BTC/USDC", "")
    eventually(lambda: ann.get(path).status_code == 404)
    assert ann.get(f"/tickers/{exchange}").json()["results"] == []


def test_what_was_never_there_is_404_in_the_one_shape(ann: Person, collector: Collector) -> None:
    answer = ann.get(f"/tickers/{fresh_name()}/BTC/USDC")
    assert (answer.status_code, set(answer.json())) == (404, ERROR_MEMBERS)


@pytest.mark.parametrize("path", ["/tickers/kraken/BTC/USDC", "/tickers", "/process", "/orders/kraken/1"])
def test_a_stranger_is_refused(client: Client, path: str, db: None) -> None:
    answer = client.get(f"{CACHE}{path}")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert set(answer.json()) == ERROR_MEMBERS


def test_the_keys_of_an_exchange_are_listed_in_their_order(ann: Person, collector: Collector) -> None:
    exchange = fresh_name()
    for symbol in ("C/D", "A/B", "B/C"):
        collector.tick(exchange, symbol)
    told = ann.until(f"/tickers/{exchange}", lambda told: told["count"] == 3)
    assert [each["key"] for each in told["results"]] == [f"{exchange}:{s}" for s in ("A/B", "B/C", "C/D")]
    assert (told["next"], told["live"], told["results"][0]["data"]["symbol"]) == (None, True, "A/B")


def test_pages_together_are_the_whole_listing_once(ann: Person, collector: Collector) -> None:
    exchange = fresh_name()
    for number in range(5):
        collector.tick(exchange, f"S{number}/X")
    ann.until(f"/tickers/{exchange}", lambda told: told["count"] == 5)
    keys, after = [], ""
    while True:
        page = ann.get(f"/tickers/{exchange}?limit=2{after}").json()
        keys += [each["data"]["symbol"] for each in page["results"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert keys == [f"S{number}/X" for number in range(5)]


def test_a_listing_of_everything_goes_through_every_exchange(ann: Person, collector: Collector) -> None:
    exchanges = sorted(fresh_name() for _ in range(2))
    for exchange in exchanges:
        collector.tick(exchange, "UNIQUE/X")
    told = ann.until("/tickers?symbol=UNIQUE/X", lambda told: told["count"] == 2)
    assert [each["data"]["exchange"] for each in told["results"]] == exchanges


def test_a_filter_keeps_what_equals_it(staff: Person, collector: Collector) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1", status="open", ex_id=7)
    collector.order(exchange, "O2", status="filled", ex_id=7)
    staff.until(f"/orders/{exchange}/7", lambda told: len(told["data"]) == 2)
    for path in (f"/orders/{exchange}/7?status=filled", f"/orders/{exchange}?status=filled"):
        told = staff.get(path).json()
        orders = told["data"] if "data" in told else told["results"][0]["data"]
        assert [order["order_id"] for order in orders] == ["O2"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("limit=%D9%A1", "limit"), ("limit=", "limit"),
        ("after=", "after"), ("after=%00", "after"), ("after=WzFd", "after"), ("statsu=open", "statsu"),
        (f"symbol={'x' * 257}", "symbol"),
    ],
)  # fmt: skip
def test_a_parameter_that_breaks_a_rule_is_named(
    ann: Person, collector: Collector, query: str, field: str
) -> None:
    answer = ann.get(f"/tickers?{query}")
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {field})


def test_a_truth_is_asked_for_as_true_or_false(ann: Person, collector: Collector) -> None:
    symbol = fresh_name("S")
    collector.bars(symbol, "1m", [1700000000, 1, 2, 0.5, 1.5, 10])
    ann.until(f"/ohlcv?symbol={symbol}&closed=true", lambda told: told["count"] == 1)
    assert ann.get(f"/ohlcv?symbol={symbol}&closed=false").json()["count"] == 0
    assert ann.get(f"/ohlcv?symbol={symbol}&closed=1").status_code == 422


def test_a_bar_is_found_by_a_symbol_with_slashes_and_a_timeframe(ann: Person, collector: Collector) -> None:
    symbol = f"{fresh_name('S')}/USDC"
    collector.bars(symbol, "1m", [1700000000, 1, 2, 0.5, 1.5, 10])
    told = ann.until(f"/ohlcv/{symbol}/1m", lambda told: True)
    assert (told["data"]["close"], told["data"]["closed"]) == (1.5, True)


def test_trades_are_the_newest_of_their_market_oldest_first(ann: Person, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, "BTC/USDC")
    collector.trades(exchange, "BTC/USDC", *(trade(number, uid=5) for number in range(3)))
    told = ann.until(f"/trades/{exchange}/BTC/USDC", lambda told: len(told["data"]) == 3)
    assert [each["trade_id"] for each in told["data"]] == ["0", "1", "2"]
    assert "uid" not in told["data"][0]


def test_a_market_without_trades_has_an_empty_list(ann: Person, collector: Collector) -> None:
    answer = ann.get(f"/trades/{fresh_name()}/BTC/USDC")
    assert (answer.status_code, answer.json()["data"], answer.json()["seq"]) == (200, [], 0)


class TestPrivacy:
    def test_an_owner_sees_their_account_and_nobody_else_can_tell_that_it_exists(
        self, ann: Person, bob: Person, staff: Person, collector: Collector
    ) -> None:
        account = fresh_account()
        collector.account(account, USDT={"total": 5.0, "free": 5.0, "used": 0.0})
        collector.positions(account, **{"BTC/USDC": position(0.5)})
        ann.owns("account", account)
        for stream in ("accounts", "positions"):
            for person in (ann, staff):
                assert person.until(f"/{stream}/{account}", lambda told: True)["data"]["account"] == str(
                    account
                )
            theirs, nothing = bob.get(f"/{stream}/{account}"), bob.get(f"/{stream}/{fresh_account()}")
            assert theirs.status_code == nothing.status_code == 404
            assert {**theirs.json(), "request_id": ""} == {**nothing.json(), "request_id": ""}
            assert bob.get(f"/{stream}").json()["results"] == []
            assert [each["key"] for each in ann.get(f"/{stream}").json()["results"]] == [str(account)]

    @pytest.mark.parametrize("path", ["/orders/{exchange}", "/orders", "/orders?exchange={exchange}"])
    def test_a_listing_of_orders_has_the_callers_own(
        self, ann: Person, bob: Person, staff: Person, collector: Collector, path: str
    ) -> None:
        exchange, account = fresh_name(), fresh_account()
        ann.owns("account", account)
        collector.order(exchange, "O1", ex_id=account)
        collector.order(exchange, "O2", uid=bob.user.pk)
        collector.order(exchange, "O3")
        path = path.format(exchange=exchange)

        def own(person: Person) -> list[str]:
            """Return the keys of this exchange that a listing shows; ids of users return in other tests."""
            keys = [each["key"] for each in person.get(path).json()["results"]]
            return [key for key in keys if key.startswith(f"{exchange}:")]

        eventually(lambda: own(ann) == [f"{exchange}:account:{account}"])
        eventually(lambda: own(bob) == [f"{exchange}:user:{bob.user.pk}"])
        told = staff.until(f"/orders/{exchange}", lambda told: told["count"] == 3)
        assert {each["key"].partition(":")[2] for each in told["results"]} == {
            f"account:{account}", f"user:{bob.user.pk}", "staff",
        }  # fmt: skip

    @pytest.mark.parametrize("owner", ["{account}", "account:{account}"])
    def test_an_account_of_orders_is_named_bare_or_as_listings_name_it(
        self, ann: Person, bob: Person, collector: Collector, owner: str
    ) -> None:
        exchange, account = fresh_name(), fresh_account()
        ann.owns("account", account)
        collector.order(exchange, "O1", ex_id=account)
        path = f"/orders/{exchange}/{owner.format(account=account)}"
        assert ann.until(path, lambda told: len(told["data"]) == 1)["data"][0]["order_id"] == "O1"
        assert bob.get(path).status_code == 404

    def test_no_orders_of_ones_own_are_an_empty_list(self, ann: Person, collector: Collector) -> None:
        account = fresh_account()
        ann.owns("account", account)
        answer = ann.get(f"/orders/{fresh_name()}/{account}")
        assert (answer.status_code, answer.json()["data"]) == (200, [])

    def test_processes_are_for_staff_whatever_their_type(
        self, ann: Person, staff: Person, collector: Collector
    ) -> None:
        component = fresh_name("component")
        collector.process("bot", component)
        staff.until("/process/bot", lambda told: component in [each["component"] for each in told["data"]])
        assert {ann.get(path).status_code for path in ("/process", "/process/bot", "/process/none")} == {403}

    def test_an_open_deployment_hides_nothing(
        self, ann: Person, collector: Collector, settings: Settings
    ) -> None:
        settings.CACHE_ACCESS = "open"
        account = fresh_account()
        collector.account(account, USDT={"total": 5.0, "free": 5.0, "used": 0.0})
        ann.until(f"/accounts/{account}", lambda told: True)

    def test_ownership_that_ended_hides_at_once(self, ann: Person, collector: Collector) -> None:
        account = fresh_account()
        ann.owns("account", account)
        collector.account(account, USDT={"total": 5.0, "free": 5.0, "used": 0.0})
        ann.until(f"/accounts/{account}", lambda told: True)
        ann.user.ownerships.all().delete()
        eventually(lambda: ann.get(f"/accounts/{account}").status_code == 404)


class TestLongLists:
    def orders(self, staff: Person, collector: Collector, count: int) -> str:
        exchange = fresh_name()
        for number in range(count):
            collector.order(exchange, f"O{number:04}", ex_id=7)
        staff.until(f"/orders/{exchange}/7?limit=5000", lambda told: len(told["data"]) == count)
        return exchange

    def test_a_long_list_is_told_in_pages_that_are_each_element_once(
        self, staff: Person, collector: Collector
    ) -> None:
        exchange = self.orders(staff, collector, 25)
        found, after = [], ""
        while True:
            page = staff.get(f"/orders/{exchange}/7?limit=10{after}").json()
            found += [order["order_id"] for order in page["data"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert sorted(found) == [f"O{number:04}" for number in range(25)]

    def test_a_listing_says_that_a_key_has_more_than_it_tells(
        self, staff: Person, collector: Collector
    ) -> None:
        exchange = self.orders(staff, collector, 101)
        (listed,) = staff.get(f"/orders/{exchange}").json()["results"]
        assert (len(listed["data"]), listed["more"]) == (100, True)

    def test_a_page_ends_at_its_size_in_bytes_and_says_so(self, staff: Person, collector: Collector) -> None:
        prefix = fresh_name("big")
        for number in range(6):
            collector.bot(f"{prefix}-{number}", feed={"text": "x" * 900_000})
        staff.until(f"/bots/{prefix}-5", lambda told: True)
        seen, after = 0, ""
        sizes = []
        while True:
            answer = staff.get(f"/bots?limit=500{after}")
            sizes.append(len(answer.content))
            page = answer.json()
            seen += sum(each["key"].startswith(prefix) for each in page["results"])
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert seen == 6
        assert max(sizes) < 6_000_000
        assert len(sizes) > 1


class TestRevalidation:
    def test_what_did_not_change_is_not_sent_again(self, ann: Person, collector: Collector) -> None:
        exchange = fresh_name()
        collector.tick(exchange, "BTC/USDC")
        for path in (f"/tickers/{exchange}/BTC/USDC", f"/tickers/{exchange}"):
            ann.until(path, lambda told: told.get("count") != 0)
            first = ann.get(path)
            again = ann.get(path, **{"If-None-Match": f'"x", {first.headers["ETag"]}'})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == first.headers["ETag"]

    def test_a_change_is_sent(self, ann: Person, collector: Collector) -> None:
        exchange = fresh_name()
        path = f"/tickers/{exchange}/BTC/USDC"
        collector.tick(exchange, "BTC/USDC", price=1.0)
        ann.until(path, lambda told: True)
        tag = ann.get(path).headers["ETag"]
        collector.tick(exchange, "BTC/USDC", price=2.0)
        eventually(lambda: ann.get(path, **{"If-None-Match": tag}).status_code == 200)

    def test_another_users_cache_is_never_asked(self, ann: Person, collector: Collector) -> None:
        answer = ann.get("/tickers")
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer.headers["Vary"]


class TestCost:
    def test_a_user_seen_in_the_last_second_costs_one_query(
        self, ann: Person, collector: Collector, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        ann.get("/tickers")
        with django_assert_num_queries(1):
            ann.get("/tickers")

    def test_a_stranger_costs_no_query(
        self, client: Client, db: None, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(0):
            assert client.get(f"{CACHE}/tickers").status_code == 401
