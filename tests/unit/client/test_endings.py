import pytest

from cache_streams.client.endings import Advice, Ending, advice
from cache_streams.protocol.close_codes import CLOSES, NATIVE, Close, Reconnect

ROWS = [close for close in CLOSES if close.families & NATIVE]


@pytest.mark.parametrize("close", ROWS, ids=lambda close: f"{close.code}-{close.reason}")
def test_each_close_of_the_table_is_followed_as_the_table_says(close: Close) -> None:
    wanted = {Reconnect.NEW_TOKEN: Advice.NEW_TOKEN, Reconnect.NO: Advice.STOP}.get(
        close.reconnect, Advice.RESUME
    )
    if close.code == 1000:
        wanted = Advice.RESUME  # not asked for by this client: a proxy ended an idle connection
    assert advice(Ending(close.code, close.reason)) is wanted


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (401, Advice.NEW_TOKEN),
        (403, Advice.STOP),
        (404, Advice.STOP),
        (429, Advice.RESUME),
        (503, Advice.RESUME),
    ],
)
def test_a_refused_handshake_is_judged_by_its_status(status: int, wanted: Advice) -> None:
    assert advice(Ending(1006, "", status=status)) is wanted


def test_an_unknown_end_is_a_network_that_failed() -> None:
    assert advice(Ending(4999, "from the future")) is Advice.RESUME
