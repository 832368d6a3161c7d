"""HTTP routes of the gateway beside its sockets."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
