"""Users, their credentials and what is theirs, on the admin site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import keys
from accounts.families import end_family
from accounts.models import ApiKey, Ownership, RevokedToken, TokenFamily, User
from accounts.services import end_tokens

if TYPE_CHECKING:  # generic in the stubs alone
    CreationForm = AdminUserCreationForm[User]
    DjangoAdmin = DjangoUserAdmin[User]
    KeyModelAdmin = admin.ModelAdmin[ApiKey]
    OwnershipModelAdmin = admin.ModelAdmin[Ownership]
    FamilyModelAdmin = admin.ModelAdmin[TokenFamily]
    RevokedModelAdmin = admin.ModelAdmin[RevokedToken]
else:
    CreationForm, DjangoAdmin = AdminUserCreationForm, DjangoUserAdmin
    KeyModelAdmin = OwnershipModelAdmin = FamilyModelAdmin = RevokedModelAdmin = admin.ModelAdmin


class UserCreationForm(CreationForm):
    """A new user: a mail, and a password or none."""

    class Meta:
        model = User
        fields = ("mail",)


@admin.register(User)
class UserAdmin(DjangoAdmin):
    """Lists and edits users by mail."""

    add_form = UserCreationForm
    ordering = ("pk",)
    list_display = ("pk", "mail", "name", "lastname", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("mail", "name", "lastname")
    readonly_fields = ("last_login", "date_joined")
    actions = ("end_tokens",)
    fieldsets = (
        (None, {"fields": ("mail", "password")}),
        ("Person", {"fields": ("name", "lastname", "phone", "id_num")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("mail", "usable_password", "password1", "password2")}),
    )

    @admin.action(description="End all tokens issued until now, and their sockets")
    def end_tokens(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Make the chosen users log in again; they stay active."""
        for user in queryset:
            end_tokens(user)


@admin.register(Ownership)
class OwnershipAdmin(OwnershipModelAdmin):
    """Which account and bot is whose."""

    list_display = ("kind", "identifier", "user", "created_at")
    list_filter = ("kind",)
    search_fields = ("identifier", "user__mail")
    autocomplete_fields = ("user",)


@admin.register(ApiKey)
class ApiKeyAdmin(KeyModelAdmin):
    """API keys by their beginnings; a new one is shown in a message, once."""

    list_display = ("__str__", "user", "name", "scopes", "is_active", "expires_at", "last_used_at")
    list_filter = ("is_active",)
    search_fields = ("hint", "name", "user__mail")
    autocomplete_fields = ("user",)
    readonly_fields = ("hint", "last_used_at", "created_at")
    actions = ("deactivate",)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature; Any: its form
        """Give a new record its key."""
        if not change:
            raw = keys.new_key(obj)
            self.message_user(request, f"The key, shown this once: {raw}", messages.WARNING)
        super().save_model(request, obj, form, change)

    @admin.action(description="Deactivate: open sockets of the keys are closed")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End the chosen keys."""
        keys.deactivate(list(queryset))


@admin.register(TokenFamily)
class TokenFamilyAdmin(FamilyModelAdmin):
    """Logins with refresh tokens, to be ended."""

    list_display = ("id", "user", "created_at", "expires_at", "ended_at")
    search_fields = ("user__mail",)
    readonly_fields = ("user", "jti", "created_at", "expires_at", "ended_at")
    actions = ("end",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only a login makes one."""
        return False

    @admin.action(description="End: every token of the login, and its sockets")
    def end(self, request: HttpRequest, queryset: QuerySet[TokenFamily]) -> None:
        """End the chosen logins."""
        for family in queryset:
            end_family(str(family.pk), family.user_id)


@admin.register(RevokedToken)
class RevokedTokenAdmin(RevokedModelAdmin):
    """Tokens that ended before their time; adding one closes its sockets."""

    list_display = ("jti", "user", "expires_at", "created_at")
    search_fields = ("jti", "user__mail")
    autocomplete_fields = ("user",)
