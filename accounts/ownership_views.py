"""Requests about what belongs to whom: one's own, and for administrators everybody's, to grant and to revoke."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit, listing, people_shapes, services
from accounts.authentication import MayAdminister
from accounts.errors import Conflict
from accounts.models import Ownership
from accounts.openapi import IF_NONE_MATCH, UNCHANGED, refusal
from accounts.query_shapes import ListQuery, OwnershipQuery
from accounts.selectors import ownerships_like
from accounts.user_views import somebody

TAG = "ownership"


class OwnOwnershipView(APIView):
    """``GET /orm/ownership/me``."""

    @extend_schema(
        operation_id="orm_ownership_me",
        summary="Accounts and bots of the caller",
        tags=[TAG],
        parameters=[ListQuery, IF_NONE_MATCH],
        responses={200: people_shapes.OwnershipRecord(many=True), 304: UNCHANGED},
    )
    def get(self, request: Request) -> Response:
        """Answer what is the caller's."""
        asked = listing.read(ListQuery, request)
        found = ownerships_like({"uid": somebody(request).pk})
        return listing.page(request, found, asked, people_shapes.OwnershipRecord)


class OwnershipsView(APIView):
    """``/orm/ownership``, for staff with Django's permission on ownerships, as on the admin site."""

    permission_classes = (*APIView.permission_classes, MayAdminister)
    administered = Ownership

    @extend_schema(
        operation_id="orm_ownership_list",
        summary="What belongs to whom, by the ids of the grants",
        tags=[TAG],
        parameters=[OwnershipQuery, IF_NONE_MATCH],
        responses={200: people_shapes.OwnershipRecord(many=True), 304: UNCHANGED},
    )
    def get(self, request: Request) -> Response:
        """Answer a part of them; ``Link`` names the next."""
        asked = listing.read(OwnershipQuery, request)
        return listing.page(request, ownerships_like(asked), asked, people_shapes.OwnershipRecord)

    @extend_schema(
        operation_id="orm_ownership_grant",
        summary="Say whose an account or a bot is",
        tags=[TAG],
        request=people_shapes.NewOwnership,
        responses={
            200: people_shapes.OwnershipRecord,
            201: people_shapes.OwnershipRecord,
            409: refusal("It belongs to somebody else: revoke that first."),
        },
    )
    def post(self, request: Request) -> Response:
        """Answer 201, or 200 when it was so before; open sockets of the owner see more at once."""
        form = people_shapes.NewOwnership(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            granted = services.grant(**form.validated_data)
        except services.NoSuchUser:
            raise ValidationError({"uid": [ErrorDetail("There is no such user.", "unknown")]}) from None
        except services.OwnedByAnother:
            raise Conflict("It belongs to somebody else: revoke that first.") from None
        if granted.created:
            audit.note(somebody(request).pk, [granted.ownership], "Granted over REST.")
        body = people_shapes.OwnershipRecord(granted.ownership).data
        return Response(body, status=201 if granted.created else 200)


class OwnershipView(APIView):
    """``DELETE /orm/ownership/{number}``."""

    permission_classes = (*APIView.permission_classes, MayAdminister)
    administered = Ownership

    @extend_schema(
        operation_id="orm_ownership_revoke",
        summary="Take an account or a bot away from its owner",
        tags=[TAG],
        responses={204: OpenApiResponse(description="Revoked; open sockets that showed it are closed.")},
    )
    def delete(self, request: Request, number: int) -> Response:
        """Answer 204; 404 for what was never granted, or is revoked already."""
        ownership = ownerships_like({}).filter(pk=number).first()
        if ownership is None:
            raise NotFound
        audit.note(somebody(request).pk, [ownership], "Revoked over REST.")
        services.revoke(ownership)
        return Response(status=204)
