"""HTTP routes: accounts, the cache's REST side, health and metrics, and the admin site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("cache_streams.urls")),
]
