"""``POST /cache/{stream}``: what a producer publishes who cannot reach the collectors' Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.exceptions import APIException, ErrorDetail, NotAuthenticated, ValidationError
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from accounts.keys import KeyClaims
from accounts.limits import Limit
from accounts.middleware import request_id_of
from accounts.request_throttles import RequestThrottle
from accounts.tokens import AccessClaims
from cache_streams.rest.publish.fields import VALUE_BYTES_MAX, Strict
from cache_streams.rest.publish.service import EntryTooLarge, Publisher, WrongKind, publish
from cache_streams.rest.publish.shapes import Published
from cache_streams.rest.reach import rights_of
from cache_streams.streams.declaration import Stream

SCOPE = "publish"


class KeyHeldOtherwise(APIException):
    """The cache holds something of another type where the value belongs."""

    status_code = 409


class MayPublish(BasePermission):
    """Whom the deployment lets publish: with the setting, the permission, and a credential that says so.

    A key must name the scope: one without scopes may all that its owner may, and was made before this was thought of.
    """

    message = "Publishing needs CACHE_PUBLISH, the permission and, of an API key, the scope."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the caller may publish with this credential."""
        if not settings.CACHE_PUBLISH or SCOPE not in rights_of(request).permissions:
            return False
        if isinstance(request.auth, KeyClaims):
            return SCOPE in request.auth.scopes
        claimed = request.auth.permissions if isinstance(request.auth, AccessClaims) else None
        return claimed is None or SCOPE in claimed


class PublishThrottle(RequestThrottle):
    """Besides: so many requests to publish per minute of one user."""

    def limits(self, request: Request) -> Sequence[Limit]:
        """Return those of every request and that of publishing."""
        own = Limit(SCOPE, str(request.user.pk), settings.PUBLISHES_PER_MINUTE)
        return [*super().limits(request), own]


class PublishView(APIView):
    """Adds publishing to the view of a stream's listing."""

    stream: ClassVar[Stream]
    batch: ClassVar[type[Strict]]

    def get_permissions(self) -> Sequence[BasePermission]:
        """Ask for more than to read."""
        publishing = self.request.method == "POST"
        return [IsAuthenticated(), MayPublish()] if publishing else list(super().get_permissions())  # type: ignore[arg-type]  # the stubs know a protocol

    def get_throttles(self) -> list[BaseThrottle]:
        """Count against a limit of its own, too."""
        return [PublishThrottle()] if self.request.method == "POST" else super().get_throttles()

    def post(self, request: Request) -> Response:
        """Answer how many entries were stored: all of them, or none."""
        form = self.batch(data=request.data)
        form.is_valid(raise_exception=True)
        if isinstance(request.user, AnonymousUser):  # the permission has refused before
            raise NotAuthenticated
        name, request_id = self.stream.name, request_id_of(request._request)  # noqa: SLF001  # what middleware named
        by = Publisher(
            user_id=request.user.pk,
            mail=request.user.mail,
            api_key_id=request.auth.key_id if isinstance(request.auth, KeyClaims) else None,
            request_id=request_id,
        )
        try:
            accepted = publish(name, form.validated_data["entries"], by)
        except EntryTooLarge as large:
            rule = ErrorDetail(f"It is at most {VALUE_BYTES_MAX} bytes as it is stored.", "too_large")
            raise ValidationError({"entries": [*[{}] * large.place, {"value": [rule]}]}) from None
        except WrongKind as wrong:
            raise KeyHeldOtherwise(f"The cache holds something of another type at {wrong.key}.") from None
        return Response(Published({"stream": name, "accepted": accepted, "request_id": request_id}).data)
