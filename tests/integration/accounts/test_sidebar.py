"""The lines beside the admin site's pages: every list is among them, for those who may see it."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db


def lines(user: User) -> set[str]:
    """Return where the lines lead that a user sees."""
    client = Client()
    client.force_login(user)
    page = client.get("/admin/password_change/").content.decode()
    return set(re.findall(r'<a href="([^"]+)" class="flex h-\[38px\]', page))


def test_every_list_of_the_site_is_among_them() -> None:
    lists = {
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
    }
    pages = {"/admin/live/", "/admin/live/endings/", "/"}
    assert lines(User.objects.create_superuser("boss@fullon")) == lists | pages


def test_a_line_is_for_those_who_may_see_its_page() -> None:
    clerk = User.objects.create_user("clerk@fullon", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    assert lines(clerk) == {"/", "/admin/accounts/apikey/"}
