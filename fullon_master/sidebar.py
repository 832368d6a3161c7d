"""What stands beside every page of the admin site, in the order in which operators need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from django.http import HttpRequest
from django.urls import reverse

Allowed: TypeAlias = Callable[[HttpRequest], bool]
Entry: TypeAlias = dict[str, str | Allowed]

_EVERYBODY = ""
"""Stands for no permission: who sees the site sees the line."""
_GROUPS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "Sockets": (
        ("Live", "sensors", "operators:live", "accounts.operate"),
        ("Endings", "link_off", "operators:endings", "accounts.operate"),
        ("Dashboard", "candlestick_chart", "root", _EVERYBODY),
    ),
    "People": (
        ("Users", "person", "admin:accounts_user_changelist", "accounts.view_user"),
        ("Roles", "group", "admin:auth_group_changelist", "auth.view_group"),
        ("Ownership", "account_balance", "admin:accounts_ownership_changelist", "accounts.view_ownership"),
    ),
    "Credentials": (
        ("API keys", "key", "admin:accounts_apikey_changelist", "accounts.view_apikey"),
        ("Logins", "login", "admin:accounts_tokenfamily_changelist", "accounts.view_tokenfamily"),
        ("Revoked tokens", "block", "admin:accounts_revokedtoken_changelist", "accounts.view_revokedtoken"),
    ),
    "Agents": (
        ("Runs", "smart_toy", "admin:cache_streams_agentrun_changelist", "cache_streams.view_agentrun"),
        (
            "Producers",
            "publish",
            "admin:cache_streams_agentproducerkey_changelist",
            "cache_streams.view_agentproducerkey",
        ),
    ),
    "Past": (
        ("What was done", "history", "admin:admin_logentry_changelist", "admin.view_logentry"),
        (
            "What was published",
            "upload",
            "admin:cache_streams_publication_changelist",
            "cache_streams.view_publication",
        ),
    ),
}
"""By heading: name, icon, route, and the permission without which the line is left out."""


def navigation(_request: HttpRequest) -> list[dict[str, str | list[Entry]]]:
    """Return the groups of lines, as the theme wants them."""
    return [
        {
            "title": title,
            "items": [
                {"title": name, "icon": icon, "link": reverse(route), "permission": _holds(permission)}
                for name, icon, route, permission in lines
            ],
        }
        for title, lines in _GROUPS.items()
    ]


def _holds(permission: str) -> Allowed:
    return lambda request: permission == _EVERYBODY or request.user.has_perm(permission)
