"""HTTP routes of accounts."""

from django.conf import settings
from django.urls import re_path

from accounts import views
from accounts.routes import both_forms

_API = settings.API_PREFIX.strip("/")

urlpatterns = [
    *both_forms(f"{_API}/auth/login", views.LoginView, "login"),
    *both_forms(f"{_API}/auth/verify", views.VerifyView, "verify"),
    *both_forms(f"{_API}/orm/users/me", views.MeView, "me"),
    re_path(rf"^{_API}/orm(/.*)?$", views.UnknownResource.as_view()),
]
