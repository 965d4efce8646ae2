"""`path("img/", include("resizer.urls"))`: one pattern, because a key and a short address are both a path."""

from __future__ import annotations

from django.db import connections, transaction
from django.urls import path

from resizer.views import serve

# A render must not hold the transaction of ATOMIC_REQUESTS, in whichever databases that is.
for _alias in connections:
    transaction.non_atomic_requests(using=_alias)(serve)

app_name = "resizer"
urlpatterns = [path("<path:path>", serve, name="picture")]
