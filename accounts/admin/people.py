"""Users and their roles on the admin site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm
from unfold.forms import UserCreationForm as UnfoldCreationForm

from accounts import audit
from accounts.changes import as_one
from accounts.models import User
from accounts.services import end_tokens

if TYPE_CHECKING:  # generic in the stubs alone, and the site's package has none
    from django.contrib.auth.forms import AdminUserCreationForm

    CreationForm = AdminUserCreationForm[User]
    PeopleAdmin = DjangoUserAdmin[User]
    RolesAdmin = DjangoGroupAdmin
else:
    from django.contrib.auth.forms import AdminUserCreationForm

    class CreationForm(UnfoldCreationForm, AdminUserCreationForm): ...

    class PeopleAdmin(DjangoUserAdmin, ModelAdmin): ...

    class RolesAdmin(DjangoGroupAdmin, ModelAdmin): ...


class UserCreationForm(CreationForm):
    """A new user: a mail, and a password or none."""

    class Meta:
        model = User
        fields = ("mail",)


@admin.register(User)
class UserAdmin(PeopleAdmin):
    """Lists and edits users by mail; who is no superuser makes none, and touches none."""

    add_form = UserCreationForm
    form = UserChangeForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("pk",)
    list_display = ("pk", "mail", "name", "lastname", "is_active", "is_staff", "last_login")
    list_display_links = ("pk", "mail")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("mail", "name", "lastname")
    readonly_fields = ("last_login", "date_joined")
    show_full_result_count = False
    actions = ("end_tokens", "deactivate", "activate")
    fieldsets = (
        (None, {"fields": ("mail", "password")}),
        ("Person", {"fields": ("name", "lastname", "phone", "id_num")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("mail", "usable_password", "password1", "password2")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Leave rights to superusers: who could grant any would have all."""
        fields = tuple(super().get_readonly_fields(request, obj))
        rights = () if _is_superuser(request) else ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*fields, *rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Leave superusers, and their passwords, to superusers."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """As for changes."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    @admin.action(description="End all tokens issued until now, and their sockets", permissions=["change"])
    def end_tokens(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Make the chosen users log in again; they stay active."""
        chosen = self._touchable(request, queryset)
        with as_one():
            for user in chosen:
                end_tokens(user)
        self._done(request, chosen, "Ended all tokens issued until now.")

    @admin.action(description="Deactivate: nothing of theirs opens anything", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Shut the chosen users out, open sockets included; nobody does that to themselves."""
        self._set_active(request, queryset.exclude(pk=request.user.pk or 0), active=False)

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let the chosen users in again."""
        self._set_active(request, queryset, active=True)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[User], *, active: bool) -> None:
        chosen = self._touchable(request, queryset.exclude(is_active=active))
        with as_one():
            for user in chosen:  # each is saved by itself: who listens to users hears of it
                user.is_active = active
                user.save(update_fields=["is_active"])
        self._done(request, chosen, "Activated." if active else "Deactivated.")

    def _touchable(self, request: HttpRequest, queryset: QuerySet[User]) -> list[User]:
        return list(queryset if _is_superuser(request) else queryset.exclude(is_superuser=True))

    def _done(self, request: HttpRequest, chosen: list[User], words: str) -> None:
        audit.note(request.user.pk or 0, chosen, words)
        self.message_user(request, f"{len(chosen)} users: {words}", messages.SUCCESS)


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(RolesAdmin):
    """Roles: groups of permissions."""

    list_display = ("name",)
    search_fields = ("name",)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _may_touch(
    request: HttpRequest, user: Any
) -> bool:  # Any: Django passes the parent's object to inlines too
    return _is_superuser(request) or not getattr(user, "is_superuser", False)
