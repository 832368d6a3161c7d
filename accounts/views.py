"""Requests about logins, tokens and the caller."""

from __future__ import annotations

from typing import NoReturn

from django.conf import settings
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import metrics, serializers
from accounts.authentication import bearer_token, user_by_password
from accounts.errors import Refused
from accounts.parsers import StrictJSONParser
from accounts.security_log import credential_refused
from accounts.signatures import TokenRefused
from accounts.tokens import issue_access_token, verify_access_token

INVALID_TOKEN = "Invalid authentication token"  # noqa: S105 - a text for people
INVALID_PAYLOAD = "Invalid token payload"


class LoginView(APIView):
    """``POST /auth/login``."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    bounds_guesses = True
    parser_classes = (FormParser, MultiPartParser, StrictJSONParser)

    @extend_schema(
        summary="Log in with mail and password",
        tags=["auth"],
        request=serializers.LoginRequest,
        responses=serializers.LoginResponse,
    )
    def post(self, request: Request) -> Response:
        """Answer a token; 401 alike for an unknown mail, a wrong password and an inactive user."""
        form = serializers.LoginRequest(data=request.data)
        form.is_valid(raise_exception=True)
        user = user_by_password(request, form.validated_data["username"], form.validated_data["password"])
        if user is None:
            raise Refused("Invalid credentials")
        answer = {
            "access_token": issue_access_token(user),
            "token_type": "bearer",
            "expires_in": settings.JWT_EXPIRATION_MINUTES * 60,
            "user": user,
        }
        return Response(serializers.LoginResponse(answer).data)


class VerifyView(APIView):
    """``/auth/verify``: is this token good? The user store is not consulted."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        summary="Read the token of the Authorization header",
        tags=["auth"],
        auth=[{"bearer": []}],  # type: ignore[list-item]  # annotated as texts, written out as it is
        responses=serializers.VerifiedToken,
    )
    def get(self, request: Request) -> Response:
        """Answer what the token says; it must name user id, username and mail."""
        raw = bearer_token(request)
        if raw is None:
            raise Refused("Not authenticated")
        try:
            claims = verify_access_token(raw)
        except TokenRefused as refused:
            metrics.TOKENS_REFUSED.labels(refused.reason).inc()
            credential_refused("token", refused.reason)
            raise Refused(INVALID_PAYLOAD if refused.reason == "user" else INVALID_TOKEN) from None
        if claims.username is None or claims.email is None:
            raise Refused(INVALID_PAYLOAD)
        return Response(serializers.VerifiedToken(claims).data)

    @extend_schema(
        summary="Check a token in the body",
        tags=["auth"],
        request=serializers.TokenToVerify,
        responses=serializers.Empty,
    )
    def post(self, request: Request) -> Response:
        """Answer ``{}`` for a good token, as simplejwt's view does."""
        form = serializers.TokenToVerify(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            verify_access_token(form.validated_data["token"])
        except TokenRefused as refused:
            metrics.TOKENS_REFUSED.labels(refused.reason).inc()
            credential_refused("token", refused.reason)
            raise Refused("Token is invalid", extra={"code": "token_not_valid"}) from None
        return Response({})


class UnknownResource(APIView):
    """An unknown path below ``/orm``: 401 first, so that strangers do not learn which resources exist."""

    schema = None
    http_method_names: list[str] = []

    def http_method_not_allowed(self, request: HttpRequest, *args: object, **kwargs: object) -> NoReturn:
        """Say that the path, not the method, is the trouble."""
        raise NotFound


class UnknownPath(UnknownResource):
    """Any path that nothing else claims: 404 whatever the method, in the one shape of errors."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
