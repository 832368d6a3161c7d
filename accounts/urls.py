"""HTTP routes of accounts."""

from django.conf import settings
from django.urls import re_path

from accounts import key_views, ownership_views, token_views, user_views, views
from accounts.routes import alias, both_forms

_API = settings.API_PREFIX.strip("/")

urlpatterns = [
    *both_forms(f"{_API}/auth/login", views.LoginView, "login"),
    *both_forms(f"{_API}/auth/verify", views.VerifyView, "verify"),
    *both_forms(f"{_API}/auth/token", token_views.TokenView, "token"),
    *both_forms(f"{_API}/auth/token/refresh", token_views.RefreshView, "token-refresh"),
    *both_forms(f"{_API}/auth/logout", token_views.LogoutView, "logout"),
    *alias(f"{_API}/auth/token/verify", views.VerifyView),
    *alias(f"{_API}/auth/token/logout", token_views.LogoutView),
    *alias(f"{_API}/auth/refresh", token_views.RefreshView),
    *both_forms(f"{_API}/auth/ticket", token_views.TicketView, "ticket"),
    *both_forms(f"{_API}/orm/api_keys/me", key_views.OwnKeysView, "keys"),
    *both_forms(f"{_API}/orm/api_keys/<int:number>/deactivate", key_views.DeactivateView, "key-deactivate"),
    *both_forms(f"{_API}/orm/users/me", user_views.MeView, "me"),
    *both_forms(f"{_API}/orm/users", user_views.UsersView, "users"),
    *both_forms(f"{_API}/orm/ownership/me", ownership_views.OwnOwnershipView, "own-ownership"),
    *both_forms(f"{_API}/orm/ownership", ownership_views.OwnershipsView, "ownerships"),
    *both_forms(f"{_API}/orm/ownership/<int:number>", ownership_views.OwnershipView, "ownership"),
    re_path(rf"^{_API}/orm(/.*)?$", views.UnknownResource.as_view()),
]
