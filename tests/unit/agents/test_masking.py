"""What looks like a secret is masked, what only sounds like one is not."""

from __future__ import annotations

import pytest

from cache_streams.agents.masking import MASK, looks_secret, masked


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "Password",
        "db_password",
        "token",
        "accessToken",
        "access-token",
        "client_secret",
        "secret",
        "api_key",
        "apiKey",
        "X-API-Key",
        "apikey",
        "Authorization",
        "private_key",
        "credentials",
    ],
)
def test_secrets_are_recognised_in_any_spelling(key: str) -> None:
    assert looks_secret(key)


@pytest.mark.parametrize(
    "key", ["total_tokens", "author", "secretary", "keyboard", "passenger", "key", "tokenizer"]
)
def test_other_words_are_left_alone(key: str) -> None:
    assert not looks_secret(key)


def test_masking_reaches_into_lists_and_objects_and_leaves_the_original() -> None:
    sent = {"a": [{"token": "t", "n": 1}], "password": {"deep": ["x"]}, "n": None}
    assert masked(sent) == {"a": [{"token": MASK, "n": 1}], "password": MASK, "n": None}
    assert sent["a"] == [{"token": "t", "n": 1}]
