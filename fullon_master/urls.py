"""HTTP routes: accounts, the cache's REST side, health and metrics, and the admin site."""

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from accounts.views import UnknownPath

handler400 = "accounts.errors.bad_request"
handler403 = "accounts.errors.permission_denied"
handler404 = "accounts.errors.not_found"
handler500 = "accounts.errors.server_error"

_PUBLIC = {"authentication_classes": (), "permission_classes": ()}

urlpatterns = [
    path("admin/live/", include("cache_streams.operators.urls")),
    path("admin/", admin.site.urls),
    path(
        "openapi.json",
        SpectacularJSONAPIView.as_view(renderer_classes=[OpenApiJsonRenderer2], **_PUBLIC),
        name="schema",
    ),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema", **_PUBLIC), name="docs"),
    path(
        "redoc",
        SpectacularRedocView.as_view(url_name="schema", template_name="accounts/redoc.html", **_PUBLIC),
        name="redoc",
    ),
    path("", include("accounts.urls")),
    path("", include("cache_streams.urls")),
    re_path("", UnknownPath.as_view()),  # last: in DEBUG too an unknown path is answered in JSON
]
