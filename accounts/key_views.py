"""Requests about the caller's API keys."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import keys, listing, serializers
from accounts.errors import Conflict
from accounts.keys import KeyClaims
from accounts.models import ApiKey
from accounts.openapi import IF_NONE_MATCH, UNCHANGED, refusal
from accounts.query_shapes import ListQuery
from accounts.selectors import keys_to_deactivate
from accounts.user_views import somebody


class OwnKeysView(APIView):
    """``/orm/api_keys/me``."""

    @extend_schema(
        operation_id="orm_api_keys_me_list",
        summary="The caller's API keys",
        tags=["api keys"],
        parameters=[ListQuery, IF_NONE_MATCH],
        responses={200: serializers.KeyRecord(many=True), 304: UNCHANGED},
    )
    def get(self, request: Request) -> Response:
        """Answer the keys of the caller, oldest first; of each key its beginning."""
        asked = listing.read(ListQuery, request)
        own = ApiKey.objects.filter(user=somebody(request))
        return listing.page(request, own, asked, serializers.KeyRecord)

    @extend_schema(
        summary="Make an API key",
        tags=["api keys"],
        request=serializers.NewKey,
        responses={
            200: serializers.KeyRecord,
            409: refusal("The caller has too many keys."),
        },
    )
    def post(self, request: Request) -> Response:
        """Answer the record with the whole key, this once; 200, as clients of the replaced system expect."""
        form = serializers.NewKey(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = frozenset(form.validated_data["scopes"].split(",")) - {""}
        if isinstance(request.auth, KeyClaims) and not request.auth.may_grant(wanted):
            raise PermissionDenied(
                "A key with scopes makes no key that reaches further: name scopes that it has."
            )
        try:
            record, raw = keys.create_key(somebody(request), **form.validated_data)
        except keys.TooManyKeys:
            raise Conflict(f"A user has at most {keys.KEYS_MAX} keys, ended ones included.") from None
        return Response({**serializers.KeyRecord(record).data, "key": raw})


class DeactivateView(APIView):
    """``PATCH /orm/api_keys/{number}/deactivate``."""

    @extend_schema(
        summary="Deactivate an API key of the caller, or by the caller's own uid the key of this request",
        tags=["api keys"],
        request=None,
        responses=serializers.KeyRecord,
    )
    def patch(self, request: Request, number: int) -> Response:
        """Answer the key that ended, of several the first; 404 alike for a foreign key and for none.

        ``number`` is the id of an own key. The published sample client puts the owner's uid there, and expects that the
        key which it came with ends; with a token instead of a key all own keys end.
        """
        by = request.auth.key_id if isinstance(request.auth, KeyClaims) else None
        ending = keys_to_deactivate(somebody(request), number, by)
        if not ending:
            raise NotFound
        keys.deactivate(ending)
        return Response(serializers.KeyRecord(ending[0]).data)
