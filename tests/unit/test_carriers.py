"""Where a handshake carries its token, and which subprotocol it is answered with."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.carriers import (
    CarrierRefused,
    NoSupportedSubprotocol,
    Offer,
    carried_token,
    read_offer,
)

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl"
OTHER = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoyfQ.c2lnbmF0dXJl"
BEARER = b"Bearer " + JWT.encode()


def base64url(token: str) -> str:
    return urlsafe_b64encode(token.encode()).rstrip(b"=").decode()


ENCODED = base64url(JWT)

Scope = dict[str, Any]  # Any: the ASGI connection scope


def scope(
    *offered: str, authorization: bytes | None = None, query: str = "", origin: bytes | None = None
) -> Scope:
    """Return a handshake's scope; each of ``offered`` is one Sec-WebSocket-Protocol header."""
    headers = [(b"sec-websocket-protocol", entry.encode("latin-1")) for entry in offered]
    headers += [(b"authorization", authorization)] if authorization is not None else []
    headers += [(b"origin", origin)] if origin is not None else []
    # What a server decodes for itself must not count.
    return {"headers": headers, "query_string": query.encode(), "subprotocols": ["jwt-auth"]}


def answer(handshake: Scope) -> tuple[str | None, str | None]:
    """Return the subprotocol to accept with, and the token."""
    offer = read_offer(handshake)
    return offer.echo, carried_token(handshake, offer, allow_query=True)


# -- the published table of negotiations ------------------------------------------------------------------------------


def test_a_marker_beside_a_token_entry_is_echoed_and_hides_the_token() -> None:
    assert answer(scope(f"jwt-auth, jwt.{ENCODED}")) == ("jwt-auth", JWT)


def test_a_token_entry_alone_is_echoed_as_it_is_for_nothing_else_was_offered() -> None:
    assert answer(scope(f"jwt.{ENCODED}")) == (f"jwt.{ENCODED}", JWT)


@pytest.mark.parametrize("prefix", ["jwt", "jwt-auth", "bearer"])
@pytest.mark.parametrize("carried", [JWT, ENCODED])
def test_every_prefix_carries_a_raw_token_or_an_encoded_one(prefix: str, carried: str) -> None:
    assert answer(scope(f"{prefix}.{carried}")) == (f"{prefix}.{carried}", JWT)


def test_an_encoded_token_without_its_prefix_is_no_offer_of_ours() -> None:
    with pytest.raises(NoSupportedSubprotocol):
        read_offer(scope(f"jwt, {ENCODED}"))


def test_a_marker_beside_a_token_without_prefix_carries_no_token() -> None:
    assert answer(scope(f"jwt-auth, {ENCODED}")) == ("jwt-auth", None)


def test_a_marker_takes_its_token_from_the_header() -> None:
    assert answer(scope("jwt-auth", authorization=BEARER)) == ("jwt-auth", JWT)


def test_a_strange_subprotocol_is_refused_whatever_the_query_carries() -> None:
    with pytest.raises(NoSupportedSubprotocol):
        read_offer(scope("graphql-ws", query=f"token={JWT}"))


@pytest.mark.parametrize("carrier", [{"authorization": BEARER}, {"query": f"token={JWT}"}])
def test_without_an_offer_no_subprotocol_is_echoed(carrier: dict[str, Any]) -> None:  # Any: keywords of scope
    assert answer(scope(**carrier)) == (None, JWT)


def test_nothing_anywhere_is_no_token() -> None:
    assert answer(scope()) == (None, None)


def test_a_percent_encoded_marker_is_refused_though_a_server_decoded_it() -> None:
    with pytest.raises(NoSupportedSubprotocol):
        read_offer(scope("jwt%2Dauth", authorization=BEARER))


# -- the rules behind it ----------------------------------------------------------------------------------------------


def test_our_own_protocol_is_preferred_to_the_marker_and_the_marker_to_a_token() -> None:
    assert read_offer(scope(f"jwt.{ENCODED}, jwt-auth, fullon.stream.v1")).echo == "fullon.stream.v1"
    assert read_offer(scope(f"jwt.{ENCODED}, jwt-auth")).echo == "jwt-auth"


def test_entries_spread_over_several_headers_are_one_offer() -> None:
    assert read_offer(scope("soap", f"jwt-auth,jwt.{ENCODED}")) == Offer(
        "jwt-auth", browser=True, offered=("soap", "jwt-auth", f"jwt.{ENCODED}")
    )


def test_matching_is_case_sensitive() -> None:
    with pytest.raises(NoSupportedSubprotocol):
        read_offer(scope("JWT-AUTH"))


@pytest.mark.parametrize("empty", ["", " ", ",", " , ,"])
def test_an_empty_offer_is_none(empty: str) -> None:
    assert read_offer(scope(empty)) == Offer(None, browser=False, offered=())


@pytest.mark.parametrize(
    ("handshake", "browser"),
    [(scope(), False), (scope("jwt-auth"), True), (scope(origin=b"https://a.example"), True)],
)
def test_a_browser_is_known_by_its_origin_or_by_its_subprotocols(handshake: Scope, browser: bool) -> None:
    assert read_offer(handshake).browser is browser


@pytest.mark.parametrize(
    "carried",
    [
        "",
        f"{ENCODED}=",  # padded
        f"{ENCODED[:-1]}+",  # another alphabet
        "a",  # no base64 has this length
        base64url("two.parts"),
        base64url("f.o.u.r"),
        base64url("a.b.ü"),
        "two.parts",
        "f.o.u.r",
    ],
)
def test_what_is_no_token_after_the_prefix_is_malformed(carried: str) -> None:
    with pytest.raises(CarrierRefused) as refused:
        answer(scope("jwt-auth", f"jwt.{carried}"))
    assert refused.value.code == "AUTH_MALFORMED"


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
def test_the_headers_scheme_may_be_written_in_any_case(scheme: bytes) -> None:
    assert answer(scope(authorization=scheme + b" " + JWT.encode()))[1] == JWT


@pytest.mark.parametrize("value", [b"", b"Bearer", b"Bearer ", b"Bearer    ", b"Basic dXNlcjpwYXNz"])
def test_a_header_without_a_bearers_token_counts_as_absent(value: bytes) -> None:
    assert answer(scope(authorization=value)) == (None, None)


def test_an_empty_query_token_counts_as_absent() -> None:
    assert answer(scope(query="token=", authorization=BEARER)) == (None, JWT)


def test_the_query_is_decoded_once() -> None:
    assert answer(scope(query=f"token={quote('a b%20c')}"))[1] == "a b%20c"


def test_the_query_is_not_looked_at_where_it_may_not_carry_tokens() -> None:
    handshake = scope(query=f"token={JWT}")
    assert carried_token(handshake, read_offer(handshake), allow_query=False) is None


def test_a_query_of_countless_fields_is_malformed() -> None:
    with pytest.raises(CarrierRefused) as refused:
        answer(scope(query="&".join(["a=1"] * 65)))
    assert refused.value.code == "AUTH_MALFORMED"


def test_carriers_that_agree_are_one() -> None:
    handshake = scope(f"jwt-auth, jwt.{ENCODED}, bearer.{JWT}", authorization=BEARER, query=f"token={JWT}")
    assert answer(handshake) == ("jwt-auth", JWT)


@pytest.mark.parametrize(
    "handshake",
    [
        scope(f"jwt.{ENCODED}", authorization=b"Bearer " + OTHER.encode()),
        scope(f"jwt.{ENCODED}", query=f"token={OTHER}"),
        scope(authorization=BEARER, query=f"token={OTHER}"),
        scope(f"jwt.{JWT}, jwt.{OTHER}"),
        scope(query=f"token={JWT}&token={OTHER}"),
    ],
)
def test_carriers_that_differ_conflict(handshake: Scope) -> None:
    with pytest.raises(CarrierRefused) as refused:
        answer(handshake)
    assert refused.value.code == "AUTH_CONFLICT"


_ENTRIES = st.sampled_from([b"jwt-auth", b"jwt.", b"bearer.", b"jwt-auth.", b"fullon.stream.v1", b",", b" "])
_PIECES = st.lists(st.one_of(_ENTRIES, st.binary(max_size=12)), max_size=6).map(b"".join)
_NAMES = st.sampled_from([b"sec-websocket-protocol", b"authorization", b"origin", b"cookie"])


@given(st.lists(st.tuples(_NAMES, _PIECES), max_size=6), st.binary(max_size=40))
def test_no_bytes_raise_anything_but_the_two_refusals(
    headers: list[tuple[bytes, bytes]], query: bytes
) -> None:
    handshake = {"headers": headers, "query_string": b"token=" + query}
    try:
        offer = read_offer(handshake)
        carried_token(handshake, offer, allow_query=True)
    except (NoSupportedSubprotocol, CarrierRefused):
        return
    raw = b",".join(value for name, value in headers if name == b"sec-websocket-protocol")
    entries = [entry.strip() for entry in raw.decode("latin-1").split(",")]
    assert offer.echo is None or offer.echo in entries


_PART = st.text("AZaz09-_", min_size=1)


@given(st.tuples(_PART, _PART, _PART).map(".".join))
def test_every_token_survives_its_encoding(token: str) -> None:
    assert answer(scope("jwt-auth", f"jwt.{base64url(token)}"))[1] == token
