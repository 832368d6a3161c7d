"""Lists over REST: part by part in the order of ids, with an ETag, and strict about what is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.utils.http import parse_etags
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.query_shapes import ListQuery


def read(query: type[ListQuery], request: Request) -> dict[str, Any]:  # Any: of the fields' types
    """Return what is asked. Raises ``ValidationError`` naming the parameter and its rule."""
    form = query(data=request.query_params.dict())
    form.is_valid(raise_exception=True)
    asked: dict[str, Any] = form.validated_data
    return asked


def page(
    request: Request,
    found: QuerySet[Any],  # Any: of whichever model
    asked: Mapping[str, Any],  # Any: as above
    record: type[serializers.BaseSerializer[Any]],  # Any: as the stubs have it
) -> Response:
    """Answer up to ``limit`` rows after the id ``after``, as an array of ``record``; ``Link`` names the next part where there is one.

    304 without a body when ``If-None-Match`` names the answer's ETag. One query.
    """
    limit = asked["limit"]
    rows = list(found.filter(pk__gt=asked["after"]).order_by("pk")[: limit + 1])
    body = record(rows[:limit], many=True).data
    digest = hashlib.blake2b(JSONRenderer().render(body), digest_size=12).hexdigest()
    headers = {"ETag": f'W/"{digest}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if len(rows) > limit:
        query = urlencode({**request.query_params.dict(), "after": rows[limit - 1].pk})
        headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if "*" in known or headers["ETag"] in known:
        return Response(status=304, headers=headers)
    return Response(body, headers=headers)
