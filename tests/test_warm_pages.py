"""What a page of 24 known pictures costs: one cache call before it is printed, and nothing after."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.template import Context, Template
from jinja2 import Environment
from rest_framework import serializers

import resizer
from config.gallery.models import Photo
from resizer.contrib.rest_framework import ResizedImageField
from tests.costs import counted
from tests.pictures import photograph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.django_db


class PhotoSerializer(serializers.ModelSerializer[Photo]):
    image = ResizedImageField(width=600)

    class Meta:
        model = Photo
        fields = ("title", "image")


TAGS = """{% for photo in photos %}{% resized_img photo.image width=600 class="card" data-id=photo.pk %}
{% resized_url photo.image width=1200 %}{% resized_srcset photo.image format="avif" %}
{% resized_preload photo.image width=600 %}{% resized_background photo.image width=600 %}{% endfor %}"""
DJANGO = Template("{% load resizer %}" + TAGS)
JINJA = Environment(extensions=["resizer.jinja2.ResizerExtension"]).from_string(TAGS)
PAGES: dict[str, Callable[[Sequence[Photo]], Any]] = {
    "Django": lambda photos: DJANGO.render(Context({"photos": photos})),
    "Jinja2": lambda photos: JINJA.render(photos=photos),
    "Python": lambda photos: [resizer.picture(photo.image).as_dict() for photo in photos],
    "Django REST Framework": lambda photos: [PhotoSerializer(photo).data for photo in photos],
}


@pytest.fixture
def photos() -> list[Photo]:
    for number in range(24):
        Photo(title=str(number)).image.save(f"{number}.jpg", ContentFile(photograph()))
    return list(Photo.objects.all())


@pytest.mark.parametrize("page", PAGES)
def test_page_after_prefetch_asks_nothing(photos: list[Photo], page: str) -> None:
    expected = str(PAGES[page](photos))
    assert expected.count("/img/") > 24
    with counted() as costs:
        resizer.prefetch(photos, "image")
    assert costs == (["read_many"], [], [])
    with counted() as costs:
        assert str(PAGES[page](photos)) == expected
    assert costs == ([], [], [])


@pytest.mark.parametrize("page", PAGES)
def test_page_without_prefetch_asks_the_cache_alone(photos: list[Photo], page: str) -> None:
    PAGES[page](photos)
    with counted() as costs:
        PAGES[page](list(photos))
    assert set(costs.cache) == {"read"}
    assert (costs.storage, costs.queries) == ([], [])


def test_pictures_of_a_page_are_small_when_compressed(photos: list[Photo]) -> None:
    text = "{% load resizer %}{% for photo in photos %}{% resized_img photo.image alt='' %}{% endfor %}"
    html = Template(text).render(Context({"photos": photos})).encode()
    assert html.count(b"<picture>") == 24
    assert len(gzip.compress(html)) <= 3 * 1024
