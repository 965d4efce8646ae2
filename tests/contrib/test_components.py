"""Tags inside the components of other packages, and inside included templates."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.urls import include, path

from tests.pictures import photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
import django
from django.conf import settings

here = Path(sys.argv[1])
storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
settings.configure(
    SECRET_KEY="for tests only",
    BASE_DIR=here,
    ROOT_URLCONF="tests.contrib.test_components",
    INSTALLED_APPS=["resizer", sys.argv[3]],
    STORAGES={
        "default": {**storage, "OPTIONS": {"location": here / "media"}},
        "resizer": {**storage, "OPTIONS": {"location": here / "variants"}},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    },
    STATIC_URL="static/",
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [here / "templates"],
        "OPTIONS": {
            "loaders": [sys.argv[4]],
            "builtins": [sys.argv[5], "resizer.templatetags.resizer"],
        },
    }],
)
django.setup()
from django.template.loader import render_to_string

if "component" in sys.argv[3]:
    from django_components import Component, register

    @register("card")
    class Card(Component):
        template = (here / "templates" / "card.html").read_text()

        def get_template_data(self, args, kwargs, slots, context):
            return kwargs

print(render_to_string(sys.argv[2], {"name": "a.jpg"}))
"""

CARD = """<li>{% resized_img photo alt="A cat" width=300 class=class data-id=1 %}</li>"""
TEMPLATES = {
    "card.html": CARD,
    "cotton/card.html": CARD,
    "plain.html": '{% with photo=name class="card" %}' + CARD + "{% endwith %}",
    "include.html": '{% include "card.html" with photo=name class="card" only %}',
    "cotton.html": '<c-card :photo="name" class="card" />',
    "component.html": '{% component "card" photo=name class="card" / %}',
    "slot.html": '{% component "card" photo=name class="card" %}{% endcomponent %}',
}
FILES = "django.template.loaders.filesystem.Loader"
#: App, loader and tags of each.
COTTON = (
    "django_cotton.apps.SimpleAppConfig",
    "django_cotton.cotton_loader.Loader",
    "django_cotton.templatetags.cotton",
)
COMPONENTS = ("django_components", FILES, "django_components.templatetags.component_tags")
PLAIN = ("django.contrib.staticfiles", FILES, "django.templatetags.static")
urlpatterns = [path("img/", include("resizer.urls"))]


def render(directory: Path, template: str, package: tuple[str, ...]) -> str:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(directory), template, *package]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("template", "package"),
    [
        ("include.html", PLAIN),
        ("cotton.html", COTTON),
        ("component.html", COMPONENTS),
        ("slot.html", COMPONENTS),
    ],
)
def test_tag_works_in_components_and_includes(
    tmp_path: Path, template: str, package: tuple[str, ...]
) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.jpg").write_bytes(photograph())
    for name, text in TEMPLATES.items():
        file = tmp_path / "templates" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    html = render(tmp_path, template, package)
    # django-components marks the root of each component, and writes void elements as in XML.
    html = re.sub(r' data-djc-id-\w+=""|/(?=>)', "", html)
    assert html == render(tmp_path, "plain.html", PLAIN)
    assert "<picture><source " in html
    assert ' alt="A cat" loading="lazy" decoding="async" class="card" data-id="1">' in html
