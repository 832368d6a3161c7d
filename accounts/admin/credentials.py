"""API keys, logins and revoked tokens on the admin site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from accounts import audit, keys
from accounts.families import end_family
from accounts.models import ApiKey, RevokedToken, TokenFamily, User

if TYPE_CHECKING:  # generic in the stubs alone, and the site's package has none
    KeyModelAdmin = admin.ModelAdmin[ApiKey]
    FamilyModelAdmin = admin.ModelAdmin[TokenFamily]
    RevokedModelAdmin = admin.ModelAdmin[RevokedToken]
else:
    KeyModelAdmin = FamilyModelAdmin = RevokedModelAdmin = ModelAdmin

_RAW = "_key_shown_once"


@admin.register(ApiKey)
class ApiKeyAdmin(KeyModelAdmin):
    """API keys by their beginnings; a new one is shown once, in the answer to the form."""

    list_display = ("__str__", "user", "name", "scopes", "is_active", "expires_at", "last_used_at")
    list_filter = ("is_active", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("hint", "name", "user__mail")
    autocomplete_fields = ("user",)
    readonly_fields = ("hint", "last_used_at", "created_at")
    show_full_result_count = False
    actions = ("deactivate",)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """Keep a key with its owner: in other hands it would open what is theirs."""
        return self.readonly_fields if obj is None else (*self.readonly_fields, "user")

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **options: Any
    ) -> Any:  # Any: Django's own
        """Let none but superusers make keys of staff: a key may all that its owner may."""
        if db_field.name == "user" and not getattr(request.user, "is_superuser", False):
            options["queryset"] = User.objects.filter(is_staff=False, is_superuser=False)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature; Any: its form
        """Give a new record its key."""
        if not change:
            setattr(obj, _RAW, keys.new_key(obj))
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Answer the key itself: a message would travel in a cookie, and a redirect would need one."""
        context = {
            **self.admin_site.each_context(request),
            "title": "New API key",
            "raw": getattr(obj, _RAW),
            "key": obj,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/accounts/apikey/shown_once.html", context)

    @admin.action(description="Revoke: open sockets of the keys are closed", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End the chosen keys."""
        chosen = list(queryset.filter(is_active=True))
        keys.deactivate(chosen)
        audit.note(request.user.pk or 0, chosen, "Revoked the key.")
        self.message_user(request, f"{len(chosen)} keys revoked.", messages.SUCCESS)


@admin.register(TokenFamily)
class TokenFamilyAdmin(FamilyModelAdmin):
    """Logins with refresh tokens, to be ended."""

    list_display = ("id", "user", "created_at", "expires_at", "ended_at")
    list_filter = ("created_at", ("ended_at", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("user__mail",)
    fields = readonly_fields = ("user", "created_at", "expires_at", "ended_at")
    show_full_result_count = False
    actions = ("end",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only a login makes one."""
        return False

    @admin.action(description="End: every token of the login, and its sockets", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[TokenFamily]) -> None:
        """End the chosen logins."""
        chosen = list(queryset.filter(ended_at=None))
        for family in chosen:
            end_family(str(family.pk), family.user_id)
        audit.note(request.user.pk or 0, chosen, "Ended the login.")
        self.message_user(request, f"{len(chosen)} logins ended.", messages.SUCCESS)


@admin.register(RevokedToken)
class RevokedTokenAdmin(RevokedModelAdmin):
    """Tokens that ended before their time; adding one closes its sockets."""

    list_display = ("jti", "user", "expires_at", "created_at")
    list_filter = ("expires_at",)
    list_select_related = ("user",)
    search_fields = ("jti", "user__mail")
    autocomplete_fields = ("user",)
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: RevokedToken | None = None) -> bool:
        """What is revoked stays what it is."""
        return False
