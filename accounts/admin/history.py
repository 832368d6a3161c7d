"""Who did what on the admin site: to be read, never edited there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from unfold.admin import ModelAdmin

if TYPE_CHECKING:  # generic in the stubs alone, and the site's package has none
    EntryModelAdmin = admin.ModelAdmin[LogEntry]
else:
    EntryModelAdmin = ModelAdmin


@admin.register(LogEntry)
class LogEntryAdmin(EntryModelAdmin):
    """Every action: forms, and those on chosen rows and open sockets."""

    list_display = ("action_time", "user", "content_type", "object_repr", "__str__")
    list_filter = ("action_flag", "action_time", "content_type")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "change_message", "user__mail")
    fields = ("action_time", "user", "content_type", "object_id", "object_repr", "change_message")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Entries come from actions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        """What was done is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        """Nor forgotten there."""
        return False
