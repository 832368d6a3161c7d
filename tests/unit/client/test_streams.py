import pytest

from cache_streams.client.buffers import Policy
from cache_streams.client.streams import Options, Streams, policy_of, wish_of
from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import Kind, Mode, Stream


@pytest.mark.parametrize("stream", REGISTRY, ids=lambda stream: stream.name)
def test_each_stream_has_a_method_of_its_own(stream: Stream) -> None:
    assert callable(getattr(Streams, stream.name))


@pytest.mark.parametrize("stream", REGISTRY, ids=lambda stream: stream.name)
def test_only_values_that_replace_each_other_are_dropped_unasked(stream: Stream) -> None:
    replacing = stream.kind is Kind.VALUE and stream.mode is not Mode.EVERY
    assert policy_of(stream.name, {}) is (Policy.LATEST if replacing else Policy.BLOCK)
    assert policy_of(stream.name, {"mode": "every"}) is Policy.BLOCK


def test_a_stream_of_a_newer_server_loses_nothing() -> None:
    assert policy_of("from the future", {}) is Policy.BLOCK


def test_the_chosen_policy_holds() -> None:
    assert policy_of("trades", {"policy": Policy.DROP_OLDEST}) is Policy.DROP_OLDEST


def test_latest_is_refused_where_it_would_lose_elements() -> None:
    with pytest.raises(ValueError, match="would lose elements of trades"):
        policy_of("trades", {"policy": Policy.LATEST})


def test_a_wish_holds_the_key_and_the_options_of_the_request() -> None:
    options: Options = {"mode": "sample", "interval_ms": 100, "snapshot": False, "since": "e.1", "buffer": 5}
    wish = wish_of("tickers", {"exchange": "kraken", "symbol": ["A", "B"]}, options)
    assert wish.fields == {
        "exchange": "kraken", "symbol": ["A", "B"], "mode": "sample", "interval_ms": 100, "snapshot": False
    }  # fmt: skip
    assert (wish.since, wish.replay) == ("e.1", None)


def test_a_replay_begins_at_single_speed_unless_told() -> None:
    assert wish_of("trades", {}, {"replay_from": 5.0}).replay == {"from": 5.0, "speed": 1}


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"replay_speed": 10}, "no meaning without replay_from"),
        ({"replay_from": 1, "since": "e.1"}, "contradicts replay_from"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: Options, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        wish_of("trades", {}, options)
