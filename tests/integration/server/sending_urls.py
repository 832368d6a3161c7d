"""The project's addresses and a view that tells a price to a group, as an application of its own would."""

import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from fullon_master.urls import urlpatterns as shipped


@csrf_exempt  # its caller is a test, not a page
def tell(request: HttpRequest) -> HttpResponse:
    asked = json.loads(request.body)
    layer = get_channel_layer()
    assert layer is not None  # the project has one
    async_to_sync(layer.group_send)(asked["group"], {"type": "stream.update", "value": asked["value"]})
    return HttpResponse(status=204)


urlpatterns = [path("tell", tell), *shipped]
