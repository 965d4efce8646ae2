"""What a service without a database says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

if TYPE_CHECKING:
    from django.http import HttpRequest


# Zappa asks for this page after a deployment, to see that the function answers.
def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        "This service makes pictures: they are under /img/.\n", "text/plain; charset=utf-8"
    )


def admin_needs_database(request: HttpRequest, *_rest: str) -> HttpResponse:
    return HttpResponse(
        "The admin needs a database: set DATABASE_URL.\n", "text/plain; charset=utf-8", status=404
    )
