"""Requests about users: the caller, and for administrators all of them."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit, listing, people_shapes, services
from accounts.authentication import MayAdminister
from accounts.errors import Conflict
from accounts.models import User
from accounts.openapi import IF_NONE_MATCH, UNCHANGED, refusal
from accounts.query_shapes import UsersQuery
from accounts.selectors import users_like


class MeView(APIView):
    """``GET /orm/users/me``."""

    @extend_schema(summary="The caller", tags=["users"], responses=people_shapes.Me)
    def get(self, request: Request) -> Response:
        """Answer who the credential belongs to."""
        return Response(people_shapes.Me(somebody(request)).data)


class UsersView(APIView):
    """``/orm/users``, for staff with Django's permission on users, as on the admin site."""

    permission_classes = (*APIView.permission_classes, MayAdminister)
    administered = User

    @extend_schema(
        operation_id="orm_users_list",
        summary="Users, by their ids",
        tags=["users"],
        parameters=[UsersQuery, IF_NONE_MATCH],
        responses={200: people_shapes.Me(many=True), 304: UNCHANGED},
    )
    def get(self, request: Request) -> Response:
        """Answer a part of them; ``Link`` names the next."""
        asked = listing.read(UsersQuery, request)
        return listing.page(request, users_like(asked), asked, people_shapes.Me)

    @extend_schema(
        operation_id="orm_users_create",
        summary="Create a user",
        tags=["users"],
        request=people_shapes.NewUser,
        responses={201: people_shapes.Me, 409: refusal("The mail belongs to somebody.")},
    )
    def post(self, request: Request) -> Response:
        """Answer the user; without ``password`` they cannot log in. Only a superuser makes an ``admin``."""
        form = people_shapes.NewUser(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = dict(form.validated_data)
        caller = somebody(request)
        if wanted.get("is_staff") and not caller.is_superuser:
            raise PermissionDenied("Only a superuser makes an admin.")
        try:
            user = services.create_user(**wanted)
        except services.MailTaken:
            raise Conflict("This mail belongs to somebody.") from None
        audit.note(caller.pk, [user], "Created over REST.")
        return Response(people_shapes.Me(user).data, status=201)


def somebody(request: Request) -> User:
    """Return who asks. Raises ``NotAuthenticated``, though the permission has refused strangers before."""
    if isinstance(request.user, AnonymousUser):
        raise NotAuthenticated
    return request.user
