"""The trail of what was published, on the admin site: to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from cache_streams.rest.publish.models import Publication

if TYPE_CHECKING:  # generic in the stubs alone, and the site's package has none
    TrailAdmin = admin.ModelAdmin[Publication]
else:
    TrailAdmin = ModelAdmin


@admin.register(Publication)
class PublicationAdmin(TrailAdmin):
    """Lists publications, the newest first; searched by exact key and request id, and by the beginning of a mail."""

    list_display = ("created_at", "mail", "api_key_id", "stream", "key", "count", "failed", "request_id")
    list_filter = ("stream", "failed", "created_at")
    search_fields = ("=key", "=request_id", "^mail")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only publishing makes one."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Publication | None = None) -> bool:
        """What happened is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Publication | None = None) -> bool:
        """A trail has no gaps: retention drops the oldest, nobody else."""
        return False
