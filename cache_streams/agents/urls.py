"""HTTP routes of agent runs."""

from django.conf import settings

from accounts.routes import both_forms
from cache_streams.agents import views

_API = f"{settings.API_PREFIX.strip('/')}/agents"

urlpatterns = [
    *both_forms(f"{_API}/runs", views.RunsView, "agent-runs"),
    *both_forms(f"{_API}/runs/<str:run_id>", views.RunView, "agent-run"),
    *both_forms(f"{_API}/runs/<str:run_id>/events", views.RunEventsView, "agent-run-events"),
    *both_forms(f"{_API}/runs/<str:run_id>/cancel", views.CancelView, "agent-run-cancel"),
    *both_forms(f"{_API}/events", views.EventsView, "agent-events"),
    *both_forms(f"{_API}/admin/runs", views.AllRunsView, "agent-runs-of-all"),
]
