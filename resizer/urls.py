"""`path("img/", include("resizer.urls"))`: one pattern for keys and short URLs."""

from __future__ import annotations

from django.db import connections, transaction
from django.urls import path

from resizer.views import serve

# A render must not hold a transaction of ATOMIC_REQUESTS, in any database.
for _alias in connections:
    transaction.non_atomic_requests(using=_alias)(serve)

app_name = "resizer"
urlpatterns = [path("<path:path>", serve, name="picture")]
