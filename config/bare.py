"""The pages of a service without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

if TYPE_CHECKING:
    from django.http import HttpRequest


# After a deployment, Zappa requests this page to test the function.
def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        "This service makes pictures: they are under /img/.\n", "text/plain; charset=utf-8"
    )


def admin_needs_database(request: HttpRequest, *_rest: str) -> HttpResponse:
    return HttpResponse(
        "The admin needs a database: set DATABASE_URL.\n", "text/plain; charset=utf-8", status=404
    )
