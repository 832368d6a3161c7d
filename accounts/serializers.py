"""Shapes of the JSON about logins, tokens and API keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.core.validators import MaxLengthValidator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import (
    SCOPES_CHARACTERS_MAX,
    ApiKey,
    User,
    is_scopes,
)
from accounts.signatures import TOKEN_CHARACTERS_MAX
from accounts.tokens import AccessClaims

PASSWORD_CHARACTERS_MAX = 4096

if TYPE_CHECKING:  # generic in the stubs alone
    UserShape = serializers.ModelSerializer[User]
    KeyShape = serializers.ModelSerializer[ApiKey]
    TextShape = serializers.Field[str, object, str, object]
    ClaimsShape = serializers.Serializer[AccessClaims]
    Shape = serializers.Serializer[object]
else:
    TextShape, UserShape, KeyShape, ClaimsShape, Shape = (
        serializers.Field,
        serializers.ModelSerializer,
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


class TicketRequest(Shape):
    """What the ticket is for: scopes separated by commas; none means all that the credential may."""

    scope = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=SCOPES_CHARACTERS_MAX, validators=[is_scopes]
    )


class TicketResponse(Shape):
    """A ticket for ``?ticket=``; ``expires_in`` in seconds."""

    ticket = serializers.CharField()
    expires_in = serializers.IntegerField()


@extend_schema_field(OpenApiTypes.STR)
class ScopesField(TextShape):
    """Scopes as they come: separated by commas, as a JSON list in a text, or as a list; stored and shown with commas."""

    default_error_messages = {"invalid": "Scopes are a list, or a text with commas in between."}

    def to_internal_value(self, data: object) -> str:
        """Return the canonical text."""
        if isinstance(data, str) and data.lstrip().startswith("["):
            try:
                data = json.loads(data)
            except (ValueError, RecursionError):
                self.fail("invalid")
        entries = data.split(",") if isinstance(data, str) else data
        words = entries if isinstance(entries, list) else [None]
        if not all(isinstance(word, str) for word in words):
            self.fail("invalid")
        return ",".join(dict.fromkeys(str(word).strip() for word in words if str(word).strip()))

    def to_representation(self, value: str) -> str:
        return value


class NewKey(KeyShape):
    """What a new key is to be called and may do; without ``scopes`` it may all that its owner may."""

    scopes = ScopesField(
        required=False, default="", validators=[MaxLengthValidator(SCOPES_CHARACTERS_MAX), is_scopes]
    )

    class Meta:
        model = ApiKey
        fields = ("name", "description", "scopes", "expires_at")


class KeyRecord(KeyShape):
    """A key as its owner sees it: ``key`` is whole once, when it is made, and afterwards its beginning."""

    api_key_id = serializers.IntegerField(source="pk", read_only=True)
    uid = serializers.IntegerField(source="user_id", read_only=True)
    key = serializers.CharField(source="__str__", read_only=True)
    scopes = ScopesField(read_only=True)

    class Meta:
        model = ApiKey
        fields = (
            *("api_key_id", "uid", "key", "name", "description", "scopes", "is_active"),
            *("expires_at", "last_used_at", "created_at"),
        )


class Empty(Shape):
    """``{}``."""
