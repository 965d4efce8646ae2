"""The app's URLs, where projects mount them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.exceptions import ImproperlyConfigured
from django.urls import include, path
from django.utils import translation

from resizer import urls
from resizer.markup import picture
from tests.conftest import save
from tests.servers import ROOT

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings


def test_urls_without_the_app_say_what_to_write(settings: Settings) -> None:
    settings.INSTALLED_APPS = []
    with pytest.raises(ImproperlyConfigured, match=r'Add "resizer" to INSTALLED_APPS\.$'):
        importlib.reload(urls)


SECOND = """
import io, os, tempfile
from django.conf import settings
place = tempfile.mkdtemp()
sqlite = {"ENGINE": "django.db.backends.sqlite3", "ATOMIC_REQUESTS": True}
settings.configure(
    SECRET_KEY="for tests only", ALLOWED_HOSTS=["testserver"], INSTALLED_APPS=["resizer"],
    ROOT_URLCONF="urls", MEDIA_ROOT=place, RESIZER={"SOURCES": {"default": {"OPEN": True}}},
    DATABASES={name: {**sqlite, "NAME": os.path.join(place, name)} for name in ("default", "second")},
)
import sys, types
import django
django.setup()
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

def page(request):
    return HttpResponse(str(connections["second"].in_atomic_block))

sys.modules["urls"] = types.ModuleType("urls")
sys.modules["urls"].urlpatterns = [path("img/", include("resizer.urls")), path("page/", page)]
from resizer import store
from tests.pictures import photograph
open(os.path.join(place, "a.jpg"), "wb").write(photograph((320, 240)))
depths = []
real = store.make

def make(*arguments):
    depths.append(connections["second"].in_atomic_block)
    return real(*arguments)

store.make = make
print(Client().get("/img/160/a.jpg", follow=True).status_code)
print(Client().get("/page/").content.decode(), *depths)
"""


@pytest.mark.django_db
def test_url_below_the_prefix_of_a_language_has_that_of_the_page(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = ModuleType("urls")
    urls.urlpatterns = i18n_patterns(path("img/", include("resizer.urls")))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "urls", urls)
    settings.ROOT_URLCONF = "urls"
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    save("a.jpg")
    for language in ("en", "de"):
        with translation.override(language):
            url = picture.url("a.jpg", width=320)
        assert url.startswith(f"/{language}/img/")
        assert client.get(url).status_code == 200


def test_render_holds_no_transaction_of_a_second_database() -> None:
    done = subprocess.run([sys.executable, "-c", SECOND], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["200", "True", "False"], done.stderr
