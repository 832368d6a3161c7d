"""Who a REST request comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.encoding import force_str
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import Throttled
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from structlog.contextvars import bind_contextvars

from accounts import metrics
from accounts.attempts import TooManyAttempts, address_of
from accounts.keys import KeyClaims, key_claims
from accounts.models import User
from accounts.security_log import credential_refused
from accounts.selectors import active_user, token_user
from accounts.services import authenticate_by_password
from accounts.signatures import TokenRefused
from accounts.tokens import AccessClaims, verify_access_token

if TYPE_CHECKING:  # DRF's views read the settings that name this module
    from rest_framework.views import APIView

SCHEME = "bearer"


def bearer_token(request: Request) -> str | None:
    """Return what follows ``Authorization: Bearer``, scheme in any letter case; None without such a header."""
    scheme, _, token = force_str(request.META.get("HTTP_AUTHORIZATION", ""), "latin-1").strip().partition(" ")
    return token.strip() if scheme.lower() == SCHEME and token.strip() else None


def user_by_password(request: Request, mail: str, password: str) -> User | None:
    """Return the active user whom mail and password prove. Raises: Throttled, for who guesses too often."""
    try:
        return authenticate_by_password(mail, password, address_of(request))
    except TooManyAttempts as refused:
        raise Throttled(refused.wait_s) from None


class BearerAuthentication(BaseAuthentication):
    """Believes access tokens of active users; without a good one the request goes on anonymously.

    Anonymous rather than refused, because a later credential of the same request may still prove somebody.
    """

    def authenticate(self, request: Request) -> tuple[User, AccessClaims] | None:
        """Return the user and the token's claims. One query for a good token, none otherwise."""
        raw = bearer_token(request)
        if raw is None:
            return None
        try:
            claims = verify_access_token(raw)
        except TokenRefused as refused:
            metrics.TOKENS_REFUSED.labels(refused.reason).inc()
            credential_refused("token", refused.reason)
            return None
        user = token_user(claims)
        if user is None:
            metrics.TOKENS_REFUSED.labels("absent").inc()
            credential_refused("token", "absent")
            return None
        bind_contextvars(user_id=user.pk)
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Bearer"


class KeyAuthentication(BaseAuthentication):
    """Believes API keys of active users, in the header that ``API_KEY_HEADER_NAME`` names; after the bearer token.

    So a request with a bad token and a good key succeeds, as clients of the replaced system expect.
    """

    def authenticate(self, request: Request) -> tuple[User, KeyClaims] | None:
        """Return the owner and what the key says. Two queries for a good key."""
        raw = request.headers.get(settings.API_KEY_HEADER_NAME)
        if raw is None or not settings.ENABLE_API_KEY_AUTH:
            return None
        claims = key_claims(raw)
        user = None if claims is None else active_user(claims.user_id)
        if claims is None or user is None:
            metrics.KEYS_REFUSED.inc()
            credential_refused("key", "unknown")
            return None
        bind_contextvars(user_id=user.pk)
        return user, claims


class MayAdminister(BasePermission):
    """Staff with Django's permission on the model that the view calls ``administered``, as on the admin site."""

    message = "Admin access required"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the user may look at, add or delete such rows. No query for those who are no staff."""
        action = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}.get(
            request.method or "", "view"
        )
        options = view.administered._meta  # type: ignore[attr-defined]  # noqa: SLF001  # Django's own name for it
        needed = f"{options.app_label}.{action}_{options.model_name}"
        return bool(request.user.is_staff and request.user.has_perm(needed))


class WithinScopes(BasePermission):
    """A key with scopes reads with ``read``, and changes something with ``write``; tokens have no scopes."""

    message = "The scopes of this API key do not reach so far."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the credential may be used for such a request at all."""
        needed = "read" if request.method in SAFE_METHODS else "write"
        return not isinstance(request.auth, KeyClaims) or request.auth.allows(needed)
