"""Routes of the operators' pages, below ``/admin/live/``."""

from django.contrib import admin
from django.urls import path

from cache_streams.operators import ending, past_views, views

app_name = "operators"

urlpatterns = [
    path("", admin.site.admin_view(views.live), name="live"),
    path("sockets/<str:socket_id>/", admin.site.admin_view(views.one_socket), name="socket"),
    path("sockets/<str:socket_id>/close/", admin.site.admin_view(ending.close_socket), name="close-socket"),
    path("sockets/<str:socket_id>/revoke/", admin.site.admin_view(ending.revoke), name="revoke"),
    path("endings/", admin.site.admin_view(past_views.endings), name="endings"),
    path("endings/<str:socket_id>/", admin.site.admin_view(past_views.one_ending), name="ending"),
    path("users/<int:user_id>/", admin.site.admin_view(views.one_user), name="user"),
    path("users/<int:user_id>/close/", admin.site.admin_view(ending.close_user), name="close-user"),
]
