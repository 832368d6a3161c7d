"""What each answer says of the limits, and the count of those who never got as far as a throttle."""

from __future__ import annotations

import math
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from rest_framework import status

from accounts.errors import too_many_requests
from accounts.limits import left_of, limits_of, spend

HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
EARLY = (status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN)
"""Answers that DRF may give before it asks a throttle."""


def rate_limits(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Tell in each answer what is left, and count those whom DRF refuses before it asks a throttle.

    Beyond the limit their 401 or 403 becomes 429.
    """

    def limited(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        left = left_of(request)
        ours = request.path_info.startswith(f"{settings.API_PREFIX}/")
        if left is None and ours and response.status_code in EARLY:
            left = spend(request, limits_of(getattr(request.user, "pk", None), request))
            if left is not None and left.over is not None:
                response = too_many_requests(request, left.resets_in_s)
        if left is not None:
            told = (left.limit, left.remaining, math.ceil(left.resets_in_s))
            for name, value in zip(HEADERS, told, strict=True):
                response[name] = str(value)
        return response

    return limited
