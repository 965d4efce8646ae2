"""Lists of pictures: related objects, pages of a paginator, querysets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.paginator import Paginator
from django.template import Context, Template

import resizer
from config.gallery.models import Photo
from resizer.markup import lists, picture
from resizer.models import CachedVariant, Original
from resizer.records import cache
from tests.calls import recorded
from tests.conftest import save
from tests.pictures import photograph

if TYPE_CHECKING:
    from types import CodeType

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


@pytest.fixture
def photos() -> list[Photo]:
    for number in range(6):
        save(f"{number}.jpg", photograph((400 + number, 300)))
        picture.url(f"{number}.jpg")
    rows = [Photo(title=str(number), image=f"{number}.jpg") for number in range(6)]
    return Photo.objects.bulk_create(rows)


def cache_calls(entered: list[CodeType]) -> int:
    return entered.count(cache._try.__code__)


def show(photos: Any) -> None:
    page = "{% load resizer %}{% for one in photos %}{% resized_img one.image alt='' %}{% endfor %}"
    assert "<picture>" in Template(page).render(Context({"photos": photos}))


@pytest.mark.parametrize("is_known", [True, False])
def test_queryset_and_page_of_a_paginator_are_looked_up_at_once(
    photos: list[Photo], is_known: bool, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    if not is_known:
        caches["default"].clear()
    rows = Photo.objects.order_by("pk")
    for listed in (rows.all(), Paginator(rows, 4).get_page(2), Paginator(photos, 4).get_page(1)):
        resizer.prefetch(listed, "image")
        with recorded() as entered, django_assert_num_queries(0):
            show(listed)
        assert cache_calls(entered) == 0


def test_several_fields_and_related_objects_need_one_cache_call(photos: list[Photo]) -> None:
    owners = [
        SimpleNamespace(hero=one.image, author=SimpleNamespace(avatar=other.image), nobody=None)
        for one, other in zip(photos[:3], photos[3:], strict=True)
    ]
    with recorded() as entered:
        resizer.prefetch(owners, "hero", "author.avatar", "nobody.avatar")
    assert cache_calls(entered) == 1
    with recorded() as entered:
        for owner in owners:
            assert picture.url(owner.hero)
            assert picture.url(owner.author.avatar)
    assert cache_calls(entered) == 0


def test_related_rows_are_fetched_by_one_query_for_each_relation(
    client: Client, photos: list[Photo], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for one in photos:
        assert client.get(picture.url(one.image, width=320)).status_code == 200
    rows = Original.objects.order_by("pk")
    # The rows, their variants, and the originals of those.
    with django_assert_num_queries(2):
        resizer.prefetch(rows, "cached_variants.original")
    variants = CachedVariant.objects.all()
    with django_assert_num_queries(2):
        lists.prefetch(variants, "original")
    with django_assert_num_queries(0):
        assert all(one.original.name for one in variants)


def test_missing_relations_are_passed_over() -> None:
    lists.prefetch([CachedVariant()], "original")


def test_field_without_files_is_an_error(photos: list[Photo]) -> None:
    with pytest.raises(TypeError, match=r"^'title' is no field for files: it holds str\. Name "):
        resizer.prefetch(photos, "title")


def test_misspelt_field_is_an_error(photos: list[Photo]) -> None:
    with pytest.raises(AttributeError, match="imgae"):
        resizer.prefetch(photos, "imgae")
