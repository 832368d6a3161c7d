"""Why was I cut off: how a socket ended, for its own user, and for staff."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cache_streams.operators.asking import WorkersUnreachableError
from cache_streams.operators.past import as_told, canonical_id, ending_of
from cache_streams.rest.loop import CacheAway
from cache_streams.rest.reach import rights_of


class _Membership(serializers.Serializer[None]):
    stream = serializers.CharField()
    hot = serializers.BooleanField(help_text="Whether it kept up with its log.")
    behind = serializers.IntegerField(help_text="Updates that it had yet to be told.")
    skipped = serializers.IntegerField(help_text="Updates that a newer one replaced before it was told.")


class _Place(serializers.Serializer[None]):
    stream = serializers.CharField()
    partition = serializers.CharField()
    cursor = serializers.CharField(allow_null=True, help_text="Up to here the socket was told the log.")


class ConnectionEnding(serializers.Serializer[None]):
    """How a socket ended; ``rule`` says why in words. Times in Unix seconds."""

    connection_id = serializers.CharField()
    family = serializers.CharField()
    path = serializers.CharField()
    opened_at = serializers.FloatField()
    ended_at = serializers.FloatField()
    ended_by = serializers.ChoiceField(choices=["gateway", "client", "neither"])
    code = serializers.IntegerField(help_text="Of the close frame; 1006: there was none.")
    reason = serializers.CharField(allow_blank=True)
    rule = serializers.CharField()
    bytes_waiting = serializers.IntegerField(help_text="What the gateway still held for the client.")
    bytes_taken = serializers.IntegerField(allow_null=True, help_text="What the client's system had taken.")
    frames_received = serializers.IntegerField()
    subscriptions = _Membership(many=True)
    told = _Place(many=True)


class EndingView(APIView):
    """Endings are kept for a day, the newest 10,000 of them."""

    @extend_schema(
        operation_id="connections_ending_retrieve",
        summary="Why a socket was closed",
        description="By the id of `X-Connection-ID` or `welcome`. What is not yours answers as what is unknown.",
        responses=ConnectionEnding,
    )
    def get(self, request: Request, connection_id: str) -> Response:
        """Answer how one socket ended. Raises: NotFound, CacheAway."""
        known = canonical_id(connection_id)
        rights = rights_of(request)
        try:
            ending = None if known is None else ending_of(known)
        except WorkersUnreachableError:
            raise CacheAway from None
        if ending is None or not (rights.is_staff or ending.socket.user_id == rights.user_id):
            raise NotFound
        return Response(as_told(ending))
