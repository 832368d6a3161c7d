import pytest

from cache_streams.protocol.close_codes import (
    MUTE,
    RATE_LIMITED,
    SLOW_CONSUMER,
    UNSUPPORTED,
    Close,
    Family,
    closes_of,
    token_expired,
)
from cache_streams.protocol.native.errors import (
    BY_CODE,
    ERRORS,
    Refused,
    code_of_close,
    invalid,
    retry_after_ms,
)

SPECIFIED = {
    "MALFORMED_MESSAGE", "INVALID_OPERATION", "INVALID_PARAMS", "UNKNOWN_STREAM", "FORBIDDEN", "NOT_SUBSCRIBED",
    "MODE_UNSUPPORTED", "INVALID_CURSOR", "REPLAY_UNAVAILABLE", "RATE_LIMITED", "TOO_MANY_SUBSCRIPTIONS",
    "AUTH_INVALID", "AUTH_CONFLICT", "TOKEN_EXPIRED", "AUTH_REVOKED", "CACHE_UNAVAILABLE", "INTERNAL_ERROR",
}  # fmt: skip


def test_the_table_has_every_specified_code_once() -> None:
    assert set(BY_CODE) >= SPECIFIED
    assert len(BY_CODE) == len(ERRORS)


def test_a_refused_field_is_named_with_its_rule() -> None:
    refused = invalid("mode", "must be every, latest or sample")
    assert (refused.code, refused.field, refused.text) == (
        "INVALID_PARAMS", "mode", "mode: must be every, latest or sample",
    )  # fmt: skip


def test_only_a_code_of_the_table_can_be_refused_with() -> None:
    with pytest.raises(KeyError):
        Refused("NO_SUCH_CODE", "")


TOLD = [close for close in closes_of(Family.NATIVE) if close is not MUTE]  # nobody is there to be told


@pytest.mark.parametrize("close", TOLD, ids=lambda close: close.reason)
def test_a_close_that_may_be_retried_is_told_before_with_the_time(close: Close) -> None:
    code = code_of_close(close)
    if retry_after_ms(close) is not None:
        assert code is not None
        assert BY_CODE[code].retryable


def test_what_a_close_is_called_in_the_frame_before_it() -> None:
    assert code_of_close(RATE_LIMITED) == "RATE_LIMITED"
    assert code_of_close(SLOW_CONSUMER) == "SLOW_CONSUMER"
    assert code_of_close(token_expired(Family.NATIVE)) == "TOKEN_EXPIRED"
    assert code_of_close(UNSUPPORTED) is None
    assert retry_after_ms(token_expired(Family.NATIVE)) is None
