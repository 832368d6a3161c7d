"""Routes with and without their trailing slash, answered alike: a redirect would lose the body of a POST."""

from django.urls import URLPattern, path
from rest_framework.views import APIView


def both_forms(route: str, view: type[APIView], name: str) -> list[URLPattern]:
    """Return the patterns of ``route`` (written without the slash); OpenAPI lists the first form only."""
    return [path(route, view.as_view(), name=name), path(f"{route}/", view.as_view(schema=None))]


def alias(route: str, view: type[APIView]) -> list[URLPattern]:
    """Return the patterns of a second ``route`` to ``view``, which OpenAPI does not list."""
    return [path(f"{route}{slash}", view.as_view(schema=None)) for slash in ("", "/")]
