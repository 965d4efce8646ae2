"""`path("img/", include("resizer.urls"))`: one pattern for keys and short URLs."""

from __future__ import annotations

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.urls import path

if not apps.is_installed("resizer"):
    # Django would name a model and a label, at the end of a traceback.
    raise ImproperlyConfigured(
        'resizer.urls is included, but the app is not installed. Add "resizer" to INSTALLED_APPS.'
    )

# After the check: it needs the models.
from resizer.views import serve

# A render must not hold a transaction of ATOMIC_REQUESTS, in any database.
for _alias in connections:
    transaction.non_atomic_requests(using=_alias)(serve)

app_name = "resizer"
urlpatterns = [path("<path:path>", serve, name="picture")]
