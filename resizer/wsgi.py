"""Respond to requests for pictures before Django sees them: `application = wrap(get_wsgi_application())`."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.handlers.wsgi import get_path_info, get_script_name
from django.urls import set_script_prefix, set_urlconf

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def wrap(django: WSGIApplication) -> WSGIApplication:
    """A WSGI application for hits and errors. It passes all other requests on, new variants and pages alike.

    Responses are the same as Django's, but take half the CPU time. No middleware sees such a request.
    """
    # Here, because models cannot be imported before `get_wsgi_application` has loaded the apps.
    from resizer.views import path_before_django, read_request, respond_at_once

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # URLs depend on these. Django sets them for its own requests only, and leaves them to the next one.
        set_script_prefix(get_script_name(environ))
        set_urlconf(settings.ROOT_URLCONF)
        path = path_before_django(get_path_info(environ))
        response = None if path is None else respond_at_once(read_request(environ, path))
        if response is None:
            return django(environ, start_response)
        start_response(STATUS_LINES[response.status], list(response.headers.items()))
        return [response.content]

    return application
