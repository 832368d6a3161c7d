"""HTTP routes of the gateway beside its sockets."""

from django.conf import settings
from django.urls import include, path, re_path

from accounts.routes import both_forms
from cache_streams import dashboard, views
from cache_streams.metrics_view import MetricsView
from cache_streams.protocol_view import AsyncApiPageView, AsyncApiView

urlpatterns = [
    path("", views.RootView.as_view(), name="root"),
    re_path(rf"^dashboard/{dashboard.PART}$", dashboard.part, name="dashboard-part"),
    path("health", views.HealthView.as_view(), name="health"),
    path("health/services", views.ServicesView.as_view(), name="health-services"),
    path("health/monitor", views.MonitorView.as_view(), name="health-monitor"),
    path("health/live", views.LiveView.as_view(), name="health-live"),
    path("health/ready", views.ReadyView.as_view(), name="health-ready"),
    path("health/check", views.CheckView.as_view(), name="health-check"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    *both_forms(f"{settings.API_PREFIX.strip('/')}/agents/health", views.AgentsHealthView, "agents-health"),
    *both_forms(f"{settings.API_PREFIX.strip('/')}/asyncapi.json", AsyncApiView, "asyncapi"),
    *both_forms(f"{settings.API_PREFIX.strip('/')}/asyncapi", AsyncApiPageView, "asyncapi-page"),
    path("", include("cache_streams.agents.urls")),
    path("", include("cache_streams.rest.urls")),
]
