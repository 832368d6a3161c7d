"""Credentials that the gateway must remember: families of refresh tokens, tokens that ended early, and API keys."""

from __future__ import annotations

import uuid

from django.core.validators import RegexValidator
from django.db import models

from accounts.models.users import User

JTI_CHARACTERS_MAX = 255
SCOPES_CHARACTERS_MAX = 255
is_scopes = RegexValidator(
    r"\A(?:[a-z][a-z0-9_.:-]*(?:,[a-z][a-z0-9_.:-]*)*)?\Z",
    "Scopes are words of a-z 0-9 _ . : - separated by commas.",
    code="scopes",
)


class TokenFamily(models.Model):
    """One login with refresh tokens: of all that were rotated only the newest is good, and reuse ends them all.

    Kept until the newest refresh token would have expired.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    jti = models.CharField(max_length=32, help_text="Id of the one refresh token that may still be used.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "token families"
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return str(self.pk)


class RevokedToken(models.Model):
    """An access token, or every access token of a family, that ended before its time; never the token itself.

    Kept until the tokens would have expired.
    """

    jti = models.CharField(
        max_length=JTI_CHARACTERS_MAX, unique=True, help_text="The token's jti, or the id of its family."
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="revoked_tokens")
    expires_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.jti


class ApiKey(models.Model):
    """A long-lived credential of a program, stored as its SHA-256: high entropy needs no slow hash.

    ``hint`` is the beginning of the key, so that people can tell theirs apart. ``scopes`` are separated by commas;
    none means all that the owner may do.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=16, editable=False)
    name = models.CharField(max_length=150, blank=True)
    description = models.CharField(max_length=500, blank=True)
    scopes = models.CharField(
        max_length=SCOPES_CHARACTERS_MAX, blank=True, default="", validators=[is_scopes]
    )
    is_active = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "API key"
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.hint}…"
