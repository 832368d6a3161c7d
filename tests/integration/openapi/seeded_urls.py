"""The gateway's routes, and one that answers what its document does not say: a run that misses it looks at nothing."""

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from fullon_master.urls import handler400, handler403, handler404, handler500
from fullon_master.urls import urlpatterns as real_routes

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


class Teapot(APIException):
    """What no document of ours names."""

    status_code = 418


UNAVAILABLE_ABOVE = 100


class SeededView(APIView):
    """Wrong in four ways: it fails, answers undocumented, in another shape, and without a header that is promised."""

    @extend_schema(
        operation_id="seeded",
        summary="Seeded bugs",
        tags=["seeded"],
        parameters=[OpenApiParameter("number", {"type": "integer"}, required=True)],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        """Answer by the number."""
        try:
            number = int(request.query_params.get("number", "0"))
        except ValueError:
            return Response({})
        if number > UNAVAILABLE_ABOVE:
            return Response({}, status=503)
        if number < 0:
            raise RuntimeError("seeded")
        if number == 0:
            raise Teapot
        return Response([number])


urlpatterns = [path("api/v1/seeded", SeededView.as_view()), *real_routes]
