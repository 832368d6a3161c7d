"""Requests about pairs of tokens: get one, get the next one, log out; as simplejwt's own views answer."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated, ParseError, PermissionDenied
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import families, metrics, serializers
from accounts.authentication import bearer_token, user_by_password
from accounts.errors import Refused, Unavailable
from accounts.keys import KeyClaims
from accounts.parsers import StrictJSONParser
from accounts.request_throttles import TicketThrottle
from accounts.security_log import credential_refused
from accounts.signatures import TokenRefused
from accounts.tickets import TICKET_TTL_S, Ticket, TicketsUnavailable, issue_ticket
from accounts.tokens import AccessClaims, RefreshClaims, verify_access_token, verify_refresh_token


class PublicView(APIView):
    """A view whose credential is part of the request that it judges."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (StrictJSONParser, FormParser, MultiPartParser)


def refused_token(refused: TokenRefused) -> Refused:
    """Return what a bad token is answered with, and count it."""
    metrics.TOKENS_REFUSED.labels(refused.reason).inc()
    credential_refused("token", refused.reason)
    return Refused("Token is invalid", extra={"code": "token_not_valid"})


class TokenView(PublicView):
    """``POST /auth/token``."""

    bounds_guesses = True

    @extend_schema(
        summary="Log in and get an access and a refresh token",
        tags=["auth"],
        request=serializers.TokenRequest,
        responses=serializers.TokenPair,
    )
    def post(self, request: Request) -> Response:
        """Answer a pair of tokens; 401 alike for an unknown mail, a wrong password and an inactive user."""
        form = serializers.TokenRequest(data=request.data)
        form.is_valid(raise_exception=True)
        user = user_by_password(request, form.validated_data["mail"], form.validated_data["password"])
        if user is None:
            raise Refused(
                "No active account found with the given credentials", extra={"code": "no_active_account"}
            )
        return Response(serializers.TokenPair(families.start_family(user)).data)


class RefreshView(PublicView):
    """``POST /auth/token/refresh``."""

    @extend_schema(
        summary="Exchange a refresh token for a new pair; each is good once",
        tags=["auth"],
        request=serializers.RefreshRequest,
        responses=serializers.TokenPair,
    )
    def post(self, request: Request) -> Response:
        """Answer the next pair; a refresh token that comes again ends every token of its login."""
        form = serializers.RefreshRequest(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            pair = families.rotate(form.validated_data["refresh"])
        except TokenRefused as refused:
            raise refused_token(refused) from None
        return Response(serializers.TokenPair(pair).data)


class TicketView(APIView):
    """``POST /auth/ticket``."""

    permission_classes = (IsAuthenticated,)  # a key that may only read needs tickets too
    throttle_classes = (TicketThrottle,)

    @extend_schema(
        summary="Get a ticket that opens one socket within 30 s",
        tags=["auth"],
        request=serializers.TicketRequest,
        responses=serializers.TicketResponse,
    )
    def post(self, request: Request) -> Response:
        """Answer a ticket for ``?ticket=``; it reaches no further than the credential that asks for it."""
        form = serializers.TicketRequest(data=request.data)
        form.is_valid(raise_exception=True)
        scopes = tuple(word for word in form.validated_data["scope"].split(",") if word)
        ticket = self._ticket(request.auth, scopes)
        try:
            raw = issue_ticket(ticket)
        except TicketsUnavailable:
            raise Unavailable("Redis is away: no ticket can be stored; try again.") from None
        return Response(serializers.TicketResponse({"ticket": raw, "expires_in": TICKET_TTL_S}).data)

    def _ticket(self, by: object, scopes: tuple[str, ...]) -> Ticket:
        if isinstance(by, KeyClaims):
            if not all(by.allows(scope) for scope in scopes):
                raise PermissionDenied("The scopes of this API key do not reach so far.")
            granted = scopes or tuple(sorted(by.scopes))
            return Ticket(by.user_id, by.expires_at, granted, key_id=by.key_id)
        if isinstance(by, AccessClaims):
            return Ticket(
                by.user_id, by.expires_at, scopes, jti=by.jti, family=by.family, issued_at=by.issued_at
            )
        raise NotAuthenticated


class LogoutView(PublicView):
    """``POST /auth/logout``."""

    @extend_schema(
        summary="End the token of the Authorization header, the refresh token of the body, and their login",
        tags=["auth"],
        auth=[{"bearer": []}, {}],  # type: ignore[list-item]  # annotated as texts, written out as it is
        request=serializers.LogoutRequest,
        responses=serializers.Empty,
    )
    def post(self, request: Request) -> Response:
        """Answer ``{}``; open sockets of the tokens are closed."""
        form = serializers.LogoutRequest(data=request.data)
        form.is_valid(raise_exception=True)
        named = self._named(bearer_token(request), form.validated_data.get("refresh"))
        ended = [families.log_out(claims) for claims in named]
        if not all(ended):
            raise ParseError("This token has no jti: it can be revoked by nobody and ends by itself.")
        return Response({})

    def _named(self, access: str | None, refresh: str | None) -> list[AccessClaims | RefreshClaims]:
        named: list[AccessClaims | RefreshClaims] = []
        try:
            if access is not None:
                named.append(verify_access_token(access))
            if refresh is not None:
                named.append(verify_refresh_token(refresh))
        except TokenRefused as refused:
            raise refused_token(refused) from None
        if not named:
            raise Refused("Not authenticated")
        return named
