import pytest

from cache_streams.client.url import rest_url, root_url, stream_url


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("http://localhost:8000", "ws://localhost:8000/api/v1/stream"),
        ("https://gateway.example/", "wss://gateway.example/api/v1/stream"),
        ("wss://gateway.example/desk/api/v1/stream", "wss://gateway.example/desk/api/v1/stream"),
        ("ws://[::1]:8000/api/v1/stream?note=1", "ws://[::1]:8000/api/v1/stream?note=1"),
    ],
)
def test_whatever_address_is_at_hand_leads_to_the_stream(given: str, wanted: str) -> None:
    assert stream_url(given) == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("ws://localhost:8000", "http://localhost:8000/api/v1/auth/token"),
        ("https://gateway.example/desk/api/v1/stream", "https://gateway.example/desk/api/v1/auth/token"),
        ("https://gateway.example/elsewhere", "https://gateway.example/api/v1/auth/token"),
    ],
)
def test_rest_is_beside_the_stream(given: str, wanted: str) -> None:
    assert rest_url(given, "/auth/token") == wanted


def test_health_is_at_the_root() -> None:
    assert root_url("wss://gateway.example/api/v1/stream", "/health") == "https://gateway.example/health"


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("localhost:8000", "must begin with"),
        ("ftp://gateway.example", "must begin with"),
        ("https://", "must begin with"),
        ("https://user:secret@gateway.example", "must not hold a user or a password"),
        ("https://gateway.example/?token=secret", "must not hold a token"),
        ("https://gateway.example/?ticket=", "must not hold a token"),
    ],
)
def test_what_is_no_address_or_holds_a_secret_is_refused_without_repeating_it(given: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as raised:
        stream_url(given)
    assert "secret" not in str(raised.value)
