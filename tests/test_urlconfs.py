"""Which requests `serve` gets, whatever else the URLconf of a project has."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import include, path, re_path

from resizer.views import path_below_mount, serve

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from pytest_django import Settings


def other(request: HttpRequest, **_: Any) -> HttpResponse:
    raise AssertionError


OURS = path("img/", include("resizer.urls"))


def use(settings: Settings, monkeypatch: pytest.MonkeyPatch, *patterns: Any) -> None:
    module = ModuleType("tests.urls_of_a_test")
    module.urlpatterns = list(patterns)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings.ROOT_URLCONF = module.__name__


@pytest.mark.parametrize(
    "patterns",
    [
        (OURS,),
        (path("shop/", other), path("imagine/<path:x>", other), OURS),
        (path("i", other), OURS, path("<path:x>", other)),
        (re_path("^shop/", other), OURS),
        (path("img/", include([path("special/", other)])), OURS),
        (path("", include([path("special/", other), OURS])),),
    ],
)
def test_paths_below_the_mount_are_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, patterns: tuple[Any, ...]
) -> None:
    use(settings, monkeypatch, *patterns)
    assert path_below_mount("/img/a/b.jpg") == "a/b.jpg"
    for elsewhere in ("/img/", "/img", "/", "/img/a\nb", "/other/a.jpg"):
        assert path_below_mount(elsewhere) is None


@pytest.mark.parametrize(
    "before",
    [
        path("img/special/<path:path>", other),
        path("img/special/", include([path("<path:path>", other)])),
        path("<path:path>", other),
        re_path("^img/(?P<path>special.*)$", other),
        path("img/", include([path("special/<path:path>", other)])),
        path("<slug:shop>/", include([path("special/<path:path>", other)])),
    ],
)
def test_view_before_ours_gets_its_paths(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, before: Any
) -> None:
    use(settings, monkeypatch, before, OURS)
    assert path_below_mount("/img/special/a.jpg") is None


def test_mount_below_another_entry_is_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_entry = path("shop/", include([path("special/", other)]))
    use(settings, monkeypatch, other_entry, path("shop/img/", include("resizer.urls")))
    assert path_below_mount("/shop/img/a/b.jpg") == "a/b.jpg"
    assert path_below_mount("/shop/special/") is None


def test_decorated_view_gets_all_paths(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def decorated(request: HttpRequest, path: str) -> HttpResponse:
        return serve(request, path)

    patterns = [path("<path:path>", decorated, name="picture")]
    use(settings, monkeypatch, path("img/", include((patterns, "resizer"))))
    assert path_below_mount("/img/a.jpg") is None
