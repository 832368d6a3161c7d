from hypothesis import given
from hypothesis import strategies as st

from cache_streams.client.routes import Routes, matches

texts = st.text("ab:/", max_size=6)


@given(texts, st.text("ab:/", min_size=1, max_size=4), texts)
def test_a_pattern_matches_whatever_its_star_stands_for(before: str, middle: str, after: str) -> None:
    assert matches(f"{before}*{after}", before + middle + after)


@given(texts, texts)
def test_a_star_stands_for_something(before: str, after: str) -> None:
    assert not matches(f"{before}*{after}", before + after)


def test_a_follower_of_a_key_and_of_its_pattern_is_told_once() -> None:
    routes: Routes[str] = Routes()
    routes.add("tickers", "kraken:*", "me")
    routes.add("tickers", "kraken:BTC/USDC", "me")
    routes.add("trades", "kraken:*", "somebody of another stream")
    assert list(routes.of("tickers", "kraken:BTC/USDC")) == [("me", "kraken:BTC/USDC")]


def test_who_left_is_told_nothing_more() -> None:
    routes: Routes[str] = Routes()
    for pattern in ("kraken:*", "kraken:BTC/USDC"):
        routes.add("tickers", pattern, "gone")
        routes.add("tickers", pattern, "here")
    routes.remove("gone")
    assert [follower for follower, _ in routes.of("tickers", "kraken:BTC/USDC")] == ["here"]
    assert routes.named("tickers", "kraken:*") == ("here",)
