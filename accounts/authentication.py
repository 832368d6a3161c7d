"""Who a REST request comes from."""

from __future__ import annotations

from django.utils.encoding import force_str
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import metrics
from accounts.models import User
from accounts.selectors import token_user
from accounts.tokens import AccessClaims, TokenRefused, verify_access_token

SCHEME = "bearer"


def bearer_token(request: Request) -> str | None:
    """Return what follows ``Authorization: Bearer``, scheme in any letter case; None without such a header."""
    scheme, _, token = force_str(request.META.get("HTTP_AUTHORIZATION", ""), "latin-1").strip().partition(" ")
    return token.strip() if scheme.lower() == SCHEME and token.strip() else None


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
            return None
        user = token_user(claims)
        if user is None:
            metrics.TOKENS_REFUSED.labels("absent").inc()
            return None
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return "Bearer"
