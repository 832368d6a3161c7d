import pytest

from cache_streams.client.credentials import Credentials


async def later() -> str:
    return "later"


@pytest.mark.parametrize("given", ["now", lambda: "now"])
async def test_a_token_stands_in_a_header(given: object) -> None:
    assert await Credentials(given, None).headers() == {"Authorization": "Bearer now"}  # type: ignore[arg-type]  # either form


async def test_a_key_stands_in_a_header_of_its_own() -> None:
    assert await Credentials(None, "key").headers() == {"X-API-Key": "key"}


async def test_a_provider_is_asked_each_time() -> None:
    given = iter(["one", "two"])
    credentials = Credentials(lambda: next(given), None)
    assert [await credentials.headers(), await credentials.fresh_token()] == [
        {"Authorization": "Bearer one"},
        "two",
    ]


async def test_a_provider_may_answer_later() -> None:
    assert await Credentials(later, None).headers() == {"Authorization": "Bearer later"}


@pytest.mark.parametrize("credentials", [Credentials("fixed", None), Credentials(None, lambda: "key")])
async def test_what_cannot_be_renewed_on_an_open_socket_is_not_asked_for(credentials: Credentials) -> None:
    assert await credentials.fresh_token() is None


@pytest.mark.parametrize(("token", "key"), [(None, None), ("both", "both")])
def test_exactly_one_credential_is_wanted(token: str | None, key: str | None) -> None:
    with pytest.raises(ValueError, match="either token= or api_key="):
        Credentials(token, key)
