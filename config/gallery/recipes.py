"""The recipes: samples of templates, each with its picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from django.template import RequestContext, Template

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from config.gallery.models import Photo


class Recipe(NamedTuple):
    title: str
    note: str
    template: str
    #: It prints a text, such as a URL, and no picture.
    is_text: bool = False


RECIPES = (
    Recipe(
        "In a column",
        "Never wider than 480 CSS px. It is the first picture of this page, so it is loaded at once.",
        "{% resized_img photo.image alt=photo.alt width=480 priority=True %}",
    ),
    Recipe(
        "One ratio for all",
        "Cropped around the focal point that is kept beside the image.",
        '{% resized_img photo.image alt=photo.alt width=480 ratio="3/2" %}',
    ),
    Recipe(
        "Another focal point",
        "Percent from the left and the top.",
        '{% resized_img photo.image alt=photo.alt width=480 ratio="3/2" focal="90,80" %}',
    ),
    Recipe(
        "Avatar",
        "A fixed size has a candidate for each density of screens.",
        '{% resized_img photo.image alt=photo.alt width=96 ratio="1/1" class="round" %}',
    ),
    Recipe(
        "Without cropping",
        "Fitted into a box of 480 × 200.",
        '{% resized_img photo.image alt=photo.alt width=480 height=200 fit="contain" %}',
    ),
    Recipe(
        "Few bytes",
        "For pictures that nobody looks at closely.",
        '{% resized_img photo.image alt=photo.alt width=480 ratio="3/2" quality="low" %}',
    ),
    Recipe(
        "Art direction",
        "Square in narrow windows, a strip in all others.",
        """\
{% resized_picture %}
  {% resized_source photo.image media="(max-width: 600px)" width=480 ratio="1/1" %}
  {% resized_img photo.image alt=photo.alt width=480 ratio="21/9" %}
{% endresized_picture %}""",
    ),
    Recipe(
        "For social networks",
        "One URL, with its size and its type.",
        """\
{% resized_url photo.image width=1200 ratio="1200/630" format="jpeg" as og %}
<meta property="og:image" content="{{ og }}">
<meta property="og:image:width" content="{{ og.width }}">""",
        is_text=True,
    ),
)


class Cooked(NamedTuple):
    recipe: Recipe
    html: SafeString
    #: The HTML in short lines, to read.
    listing: str


def cook(recipe: Recipe, photo: Photo, request: HttpRequest) -> Cooked:
    template = Template("{% load resizer %}" + recipe.template)
    html = template.render(RequestContext(request, {"photo": photo}))
    return Cooked(recipe, html, _lines(html))


def _lines(html: str) -> str:
    broken = re.sub(r"(?<=>)(?=<(?!/picture))", "\n  ", html.strip())
    broken = broken.replace("</picture>", "\n</picture>")
    return re.sub(r"(?<=\d[wx],) ", "\n    ", broken)
