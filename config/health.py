"""A URL for load balancers and containers, whatever the host name of their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from resizer.contrib.health import health

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse


class HealthURL:
    """Put it before all middleware that looks at the host name. Probes use the IP address of a container."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info != settings.HEALTH_URL:
            return self.get_response(request)
        response: HttpResponse = health(request)
        return response
