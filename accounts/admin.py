"""Users on the admin site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm

from accounts.models import User

if TYPE_CHECKING:  # generic in the stubs alone
    CreationForm = AdminUserCreationForm[User]
    DjangoAdmin = DjangoUserAdmin[User]
else:
    CreationForm, DjangoAdmin = AdminUserCreationForm, DjangoUserAdmin


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
    fieldsets = (
        (None, {"fields": ("mail", "password")}),
        ("Person", {"fields": ("name", "lastname", "phone", "id_num")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("mail", "usable_password", "password1", "password2")}),
    )
