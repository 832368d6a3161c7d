"""What a token must say to be believed; no database, no clock but the test's."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from django.conf import settings
from hypothesis import assume, given
from hypothesis import strategies as st

from accounts.models import User
from accounts.signatures import TOKEN_CHARACTERS_MAX, TokenRefused
from accounts.tokens import USER_ID_MAX, AccessClaims, issue_access_token, verify_access_token

NOW = 1_795_222_000.0
HEADER = {"alg": "HS256", "typ": "JWT"}
CLAIMS = {"sub": "a@b", "user_id": 7, "scopes": ["read", "write"], "exp": NOW + 60}
MAY_BE_ANYTHING = Any  # tokens come from strangers: the tests sign whatever JSON can carry


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _signed(header: str, payload: str, secret: str | None = None, digest: str = "sha256") -> str:
    key = (settings.JWT_SECRET_KEY if secret is None else secret).encode()
    return f"{header}.{payload}.{_part(hmac.new(key, f'{header}.{payload}'.encode(), digest).digest())}"


def token(header: MAY_BE_ANYTHING = None, /, **changes: MAY_BE_ANYTHING) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not ...}
    return _signed(_part(json.dumps(header or HEADER).encode()), _part(json.dumps(claims).encode()))


def refusal(raw: str, now: float | None = NOW) -> tuple[str, str]:
    with pytest.raises(TokenRefused) as refused:
        verify_access_token(raw, now)
    return refused.value.code, refused.value.reason


def test_a_token_with_sub_user_id_scopes_and_exp_alone_is_accepted() -> None:
    assert verify_access_token(token(), NOW) == AccessClaims(user_id=7, expires_at=NOW + 60)


def test_an_issued_token_is_accepted_and_names_the_user_three_times() -> None:
    user = User(pk=3, mail="ann@example.org")
    claims = verify_access_token(issue_access_token(user, minutes=5))
    assert (claims.user_id, claims.username, claims.email) == (3, "ann@example.org", "ann@example.org")
    assert claims.expires_at == pytest.approx(time.time() + 300, abs=5)


def test_an_issued_token_lives_as_long_as_the_setting_says() -> None:
    claims = verify_access_token(issue_access_token(User(pk=3, mail="a@b")))
    assert claims.expires_at == pytest.approx(time.time() + 60 * settings.JWT_EXPIRATION_MINUTES, abs=5)


def test_two_issued_tokens_differ() -> None:
    user = User(pk=3, mail="a@b")
    assert issue_access_token(user) != issue_access_token(user)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "a",
        "aaaa.bbbb",
        "aaaa.bbbb.cccc.dddd",
        "aaaa..cccc",
        ".bbbb.cccc",
        "aaaa.bbbb.",
        "aa+a.bbbb.cccc",
        "aaa/.bbbb.cccc",
        "aaaa.bbbb.ccc=",
        "aaaa.bbbbb.cccc",
        "aaaa.bbbb.cccc\n",
        "aaaa.bbbb.ccćć",
        "aaaa bbbb cccc",
    ],
)
def test_a_text_of_the_wrong_shape_is_malformed(raw: str) -> None:
    assert refusal(raw) == ("AUTH_MALFORMED", "shape")


def test_a_token_of_4096_characters_is_accepted() -> None:
    filler = next(n for n in range(2_800, 3_100) if len(token(filler="x" * n)) == TOKEN_CHARACTERS_MAX)
    assert verify_access_token(token(filler="x" * filler), NOW).user_id == 7


def test_a_longer_token_is_malformed() -> None:
    assert refusal(token(filler="x" * 4_000)) == ("AUTH_MALFORMED", "length")


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": "hs256"},
        {"alg": ["HS256"]},
        {"typ": "JWT"},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "b64": False},
        {"alg": "HS256", "kid": 7},
        {"alg": "HS256", "kid": None},
    ],
)
def test_another_algorithm_or_a_critical_header_is_refused(header: dict[str, MAY_BE_ANYTHING]) -> None:
    assert refusal(token(header)) == ("AUTH_INVALID", "header")


@pytest.mark.parametrize("header", [b"[]", b"null", b"{", b"\xff", b"[" * 2_000, b'{"alg": NaN}'])
def test_a_header_that_is_no_object_is_refused(header: bytes) -> None:
    assert refusal(_signed(_part(header), _part(json.dumps(CLAIMS).encode()))) == ("AUTH_INVALID", "header")


@pytest.mark.parametrize("payload", [b"[]", b"null", b"7", b"{", b"\xff", b"[" * 2_000])
def test_a_signed_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    assert refusal(_signed(_part(json.dumps(HEADER).encode()), _part(payload)))[0] == "AUTH_INVALID"


def test_a_token_signed_with_another_secret_is_refused() -> None:
    header, payload, _ = token().split(".")
    assert refusal(_signed(header, payload, secret="x" * 40)) == ("AUTH_INVALID", "signature")


def test_a_signature_with_its_end_stripped_is_refused() -> None:
    assert refusal(token()[:-3]) == ("AUTH_INVALID", "signature")


def test_a_signature_with_its_spare_bits_set_is_refused() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    raw = token()
    twin = raw[:-1] + alphabet[alphabet.index(raw[-1]) + 1]
    assert refusal(twin) == ("AUTH_INVALID", "signature")


@pytest.mark.parametrize("at", [0, 1])
def test_a_signed_part_with_its_spare_bits_set_is_refused(at: int) -> None:
    parts = [_part(json.dumps(HEADER).encode() + b" "), _part(json.dumps(CLAIMS).encode())]
    parts[at] = next(
        twin
        for spaces in range(3)
        for part in [_part(json.dumps([HEADER, CLAIMS][at]).encode() + b" " * spaces)]
        for twin in [part[:-1] + chr(ord(part[-1]) + 1)]
        if _part(base64.urlsafe_b64decode(part + "=="))
        == part
        == _part(base64.urlsafe_b64decode(twin + "=="))
    )
    assert refusal(_signed(*parts))[0] == "AUTH_INVALID"


def test_a_padded_signature_is_malformed() -> None:
    assert refusal(token() + "=") == ("AUTH_MALFORMED", "shape")


@pytest.mark.parametrize(
    "exp",
    [..., None, NOW, NOW - 1, NOW - 0.001, "1e12", str(NOW + 60), True, [NOW + 60], {}, 10**400, -(10**400)],
)
def test_an_expiry_that_is_missing_past_or_no_number_is_refused(exp: object) -> None:
    assert refusal(token(exp=exp))[0] == "AUTH_INVALID"


@pytest.mark.parametrize("exp", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_an_expiry_that_is_not_finite_is_refused(exp: str) -> None:
    payload = f'{{"user_id": 7, "exp": {exp}}}'.encode()
    assert refusal(_signed(_part(json.dumps(HEADER).encode()), _part(payload)))[0] == "AUTH_INVALID"


def test_expiry_has_no_leeway() -> None:
    assert verify_access_token(token(exp=NOW), NOW - 0.001).expires_at == NOW


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize("moment", [0, NOW - 86_400, NOW, NOW + 30])
def test_a_clock_up_to_30_s_ahead_is_tolerated(name: str, moment: float) -> None:
    assert verify_access_token(token(**{name: moment}), NOW).user_id == 7


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize("moment", [NOW + 30.5, 1e300, None, "0", True, [], 10**400])
def test_a_later_or_strange_beginning_is_refused(name: str, moment: object) -> None:
    assert refusal(token(**{name: moment}))[0] == "AUTH_INVALID"


@pytest.mark.parametrize("token_type", ["refresh", "", None, 1, ["access"]])
def test_a_token_that_is_not_for_access_is_refused(token_type: object) -> None:
    assert refusal(token(token_type=token_type)) == ("AUTH_INVALID", "type")


@pytest.mark.parametrize(("claimed", "user_id"), [(0, 0), (1, 1), ("42", 42), (USER_ID_MAX, USER_ID_MAX)])
def test_a_whole_number_or_its_digits_name_a_user(claimed: int | str, user_id: int) -> None:
    assert verify_access_token(token(user_id=claimed, token_type="access"), NOW).user_id == user_id


@pytest.mark.parametrize("claimed", [..., None, True, False, 1.0, -1, USER_ID_MAX + 1, [1], {}])
def test_anything_that_is_no_such_number_names_no_user(claimed: object) -> None:
    assert refusal(token(user_id=claimed)) == ("AUTH_INVALID", "user")


@pytest.mark.parametrize(
    "claimed", ["-1", "+1", " 1", "1\n", "", "a", "٣", "1_0", "1.0", "9223372036854775808", "9" * 30]
)
def test_a_text_that_is_not_its_digits_names_no_user(claimed: object) -> None:
    assert refusal(token(user_id=claimed)) == ("AUTH_INVALID", "user")


@pytest.mark.parametrize("claims", [{"jti": 1}, {"jti": None}, {"username": 1}, {"email": []}, {"sub": 7}])
def test_a_name_that_is_no_text_is_refused(claims: dict[str, MAY_BE_ANYTHING]) -> None:
    assert refusal(token(**claims))[0] == "AUTH_INVALID"


def test_the_address_may_be_null() -> None:
    assert verify_access_token(token(email=None, jti="j"), NOW) == AccessClaims(7, NOW + 60, jti="j")


def test_a_refusal_shows_nothing_of_the_token() -> None:
    raw = token(user_id="secret-looking")
    with pytest.raises(TokenRefused) as refused:
        verify_access_token(raw, NOW)
    assert str(refused.value) == "AUTH_INVALID"
    assert refused.value.__cause__ is None


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", fullmatch=True))
def test_no_text_makes_verification_fail_otherwise_than_by_refusal(raw: str) -> None:
    with pytest.raises(TokenRefused):
        verify_access_token(raw, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CLAIM_NAMES = st.sampled_from(
    ["exp", "iat", "nbf", "jti", "sub", "user_id", "token_type", "email", "aud", "iss"]
)


@given(st.dictionaries(CLAIM_NAMES, JSON))
def test_whatever_signed_claims_say_they_are_believed_or_refused_as_invalid(
    changes: dict[str, MAY_BE_ANYTHING],
) -> None:
    raw = token(**changes)
    code = ""
    try:
        claims = verify_access_token(raw, NOW)
        assert claims.expires_at > NOW
        assert 0 <= claims.user_id <= USER_ID_MAX
    except TokenRefused as refused:
        code = refused.code
    assert code == ("AUTH_MALFORMED" if len(raw) > TOKEN_CHARACTERS_MAX else code and "AUTH_INVALID")


HEADER_NAMES = st.sampled_from(["alg", "typ", "kid", "crit", "b64", "cty", "jwk"])


@given(st.dictionaries(HEADER_NAMES, JSON), st.dictionaries(CLAIM_NAMES, JSON))
def test_what_pyjwt_refuses_is_refused(
    header: dict[str, MAY_BE_ANYTHING], changes: dict[str, MAY_BE_ANYTHING]
) -> None:
    raw = token(HEADER | header, **changes)
    lax = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
    try:
        jwt.decode(raw, settings.JWT_SECRET_KEY, algorithms=[settings.JWT_ALGORITHM], options=lax)  # type: ignore[arg-type]  # a TypedDict
    except jwt.PyJWTError:
        with pytest.raises(TokenRefused):
            verify_access_token(raw, NOW)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_anywhere_is_refused(position: int, mask: int) -> None:
    raw = bytearray(token(), "ascii")
    raw[position % len(raw)] ^= mask
    assume(raw.decode("latin-1") != token())
    with pytest.raises(TokenRefused):
        verify_access_token(raw.decode("latin-1"), NOW)


@given(st.floats(min_value=0, max_value=1e12), st.floats(min_value=0, max_value=1e12))
def test_a_token_is_valid_exactly_before_its_expiry(now: float, exp: float) -> None:
    raw = token(exp=exp)
    if now < exp:
        assert verify_access_token(raw, now).expires_at == exp
    else:
        assert refusal(raw, now) == ("AUTH_INVALID", "time")
