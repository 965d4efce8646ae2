"""Pages with pictures in usual places, below the rules of a CSS framework: /bootstrap, /tailwind, /pico and /none."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.conf.urls.static import static
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path
from django.utils.safestring import mark_safe

FRAMEWORKS = Path(__file__).parent / "frameworks"
_PAGE = """{% load resizer %}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Layouts</title>
CSS
<style nonce="{{ csp_nonce }}">{{ rules }} .line { display: flex; gap: 1rem; }</style></head>
<body>BODY</body></html>"""
_ONE = '<p>{% resized_img "a.jpg" alt="One" width=400 %}</p>'
#: A container of 1100 CSS px, with Bootstrap's breakpoint for two columns and Tailwind's for three.
_COLUMNS = """
<style>
  .columns { display: grid; max-width: 1100px; margin: auto; }
  @media (min-width: 768px) { .columns { grid-template-columns: repeat(min(2, COUNT), minmax(0, 1fr)); } }
  @media (min-width: 1024px) { .columns { grid-template-columns: repeat(COUNT, minmax(0, 1fr)); } }
</style>
<div class="columns">{% for one in "COUNT"|rjust:COUNT %}
{% resized_img "a.jpg" alt="Column" columns=COUNT container=1100 priority=True %}{% endfor %}
</div>"""
#: Each in an element of its own, with the ratio that it should have.
_BODY = """
<div data-ratio="4/3">{% resized_img "a.jpg" alt="A sunrise" %}</div>
<main class="container">
  <div data-ratio="4/3">{% resized_img "a.jpg" alt="In a column" %}</div>
  <div data-ratio="21/9">{% resized_img "a.jpg" alt="Main" ratio="21/9" priority=True %}</div>
  <div class="row grid">
    <div class="col-md-4"><div class="card" data-ratio="4/3">{% resized_img "a.jpg" alt="Card" class="card-img-top w-full" %}</div></div>
    <div class="col-md-4"><div class="card" data-ratio="3/2">{% resized_img "a.jpg" alt="Card" class="card-img-top w-full" width=400 ratio="3/2" %}</div></div>
    <div class="col-md-4"><div class="card" data-ratio="1/4">{% resized_img "tall.jpg" alt="Card" class="card-img-top w-full" %}</div></div>
  </div>
  <div data-ratio="4/3">{% resized_img "a.jpg" alt="Plain" formats="" width=1400 %}</div>
  <div data-ratio="4/3">{% resized_img "small.jpg" alt="Only candidate" formats="" %}</div>
  <div data-ratio="1/1" data-width="48">{% resized_img "a.jpg" alt="Avatar" width=48 ratio="1/1" %}</div>
  <div class="line" data-ratio="1/1" data-width="64">{% resized_img "a.jpg" alt="In a line" width=64 ratio="1/1" %}<p>LONG</p></div>
  <div data-ratio="1/1" data-width="48">{% resized_img "logo.svg" alt="Vector avatar" width=48 ratio="1/1" %}</div>
  <div data-ratio="1/1" data-width="48">{% resized_img "bare.svg" alt="Bare vector avatar" width=48 height=48 %}</div>
  <div data-ratio="3/2">{% resized_img "logo.svg" alt="Vector in a box" width=600 ratio="3/2" %}</div>
  <div data-ratio="2/1">{% resized_img "logo.svg" alt="Vector whole" width=600 height=400 fit="contain" %}</div>
</main>"""


def page(request: HttpRequest, framework: str) -> HttpResponse:
    rules = "body{margin:0}"
    if framework != "none":
        rules = (FRAMEWORKS / f"{framework}.css").read_text(encoding="utf-8")
    body = _ONE if "one" in request.GET else _BODY
    if "columns" in request.GET:
        body = _COLUMNS.replace("COUNT", request.GET["columns"])
    css = "{% resized_css inline=True %}" if "inline" in request.GET else "{% resized_css %}"
    if "bare" in request.GET:
        css = ""
    template = Template(
        _PAGE.replace("BODY", body).replace("CSS", css).replace("LONG", "A long text. " * 50)
    )
    return HttpResponse(template.render(RequestContext(request, {"rules": mark_safe(rules)})))


urlpatterns = [
    path("img/", include("resizer.urls")),
    *static("/originals/", document_root=settings.DATA_DIR / "originals"),
    path("<slug:framework>", page),
]
