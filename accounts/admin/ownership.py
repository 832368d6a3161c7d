"""Which account and bot is whose, on the admin site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.models import Ownership

if TYPE_CHECKING:  # generic in the stubs alone, and the site's package has none
    OwnershipModelAdmin = admin.ModelAdmin[Ownership]
else:
    OwnershipModelAdmin = ModelAdmin


@admin.register(Ownership)
class OwnershipAdmin(OwnershipModelAdmin):
    """Which account and bot is whose."""

    list_display = ("kind", "identifier", "user", "created_at")
    list_display_links = ("kind", "identifier")
    list_filter = ("kind",)
    list_select_related = ("user",)
    search_fields = ("identifier", "user__mail")
    autocomplete_fields = ("user",)
    show_full_result_count = False
