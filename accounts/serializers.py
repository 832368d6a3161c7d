"""Shapes of the JSON about users and tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework import serializers

from accounts.models import User
from accounts.tokens import TOKEN_CHARACTERS_MAX, AccessClaims

PASSWORD_CHARACTERS_MAX = 4096

if TYPE_CHECKING:  # generic in the stubs alone
    UserShape = serializers.ModelSerializer[User]
    ClaimsShape = serializers.Serializer[AccessClaims]
    Shape = serializers.Serializer[object]
else:
    UserShape, ClaimsShape, Shape = (
        serializers.ModelSerializer,
        serializers.Serializer,
        serializers.Serializer,
    )


class LoginRequest(Shape):
    """The OAuth2 password form; its other fields (``grant_type``, ``scope``, …) are accepted and not read."""

    username = serializers.CharField(max_length=254, help_text="The mail address.")
    password = serializers.CharField(
        max_length=PASSWORD_CHARACTERS_MAX,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
    )


class LoginUser(UserShape):
    """Who has logged in."""

    uid = serializers.IntegerField(source="pk", read_only=True)

    class Meta:
        model = User
        fields = ("uid", "mail", "name")


class LoginResponse(Shape):
    """An access token; ``expires_in`` in seconds."""

    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField()
    user = LoginUser()


class VerifiedToken(ClaimsShape):
    """What a token says of itself; whether the user still exists is not asked."""

    user_id = serializers.IntegerField()
    username = serializers.CharField()
    email = serializers.CharField()
    is_active = serializers.BooleanField(default=True)


class TokenToVerify(Shape):
    """A token in a body."""

    token = serializers.CharField(write_only=True)


class TokenRequest(Shape):
    """Mail and password; ``username`` is another name of ``mail``."""

    mail = serializers.CharField(max_length=254, required=False)
    username = serializers.CharField(max_length=254, required=False, write_only=True)
    password = serializers.CharField(
        max_length=PASSWORD_CHARACTERS_MAX,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
    )

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """Find the mail under either name."""
        mail = attrs.get("mail") or attrs.get("username")
        if not mail:
            raise serializers.ValidationError({"mail": "Field required"}, code="required")
        return {**attrs, "mail": mail}


class TokenPair(Shape):
    """An access token, and a refresh token that is good once."""

    access = serializers.CharField()
    refresh = serializers.CharField()


class RefreshRequest(Shape):
    """A refresh token."""

    refresh = serializers.CharField(write_only=True, max_length=TOKEN_CHARACTERS_MAX)


class LogoutRequest(Shape):
    """The refresh token, where there is one."""

    refresh = serializers.CharField(write_only=True, required=False, max_length=TOKEN_CHARACTERS_MAX)


class Empty(Shape):
    """``{}``."""


class Me(UserShape):
    """The caller; ``role`` is ``admin`` or ``user``."""

    uid = serializers.IntegerField(source="pk", read_only=True)
    role = serializers.CharField(read_only=True)
    active = serializers.BooleanField(source="is_active", read_only=True)

    class Meta:
        model = User
        fields = ("uid", "mail", "name", "lastname", "phone", "id_num", "role", "active")
