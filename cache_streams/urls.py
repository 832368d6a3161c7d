"""HTTP routes of the gateway beside its sockets."""

from django.urls import path

from cache_streams import views

urlpatterns = [
    path("", views.RootView.as_view(), name="root"),
    path("health", views.HealthView.as_view(), name="health"),
    path("health/services", views.ServicesView.as_view(), name="health-services"),
    path("health/monitor", views.MonitorView.as_view(), name="health-monitor"),
    path("health/live", views.LiveView.as_view(), name="health-live"),
    path("health/ready", views.ReadyView.as_view(), name="health-ready"),
    path("health/check", views.CheckView.as_view(), name="health-check"),
]
