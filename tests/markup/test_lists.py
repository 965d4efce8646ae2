"""Lists of pictures: related objects, pages of a paginator, querysets."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from django import VERSION
from django.core.cache import caches
from django.core.paginator import Paginator
from django.db import models
from django.template import Context, Template, TemplateSyntaxError
from jinja2 import Environment
from jinja2 import TemplateSyntaxError as JinjaError

import resizer
from config.gallery.models import Photo
from resizer.markup import lists, picture
from resizer.models import CachedVariant, Original
from resizer.originals import pages
from resizer.records import cache
from tests.calls import recorded
from tests.conftest import save
from tests.costs import counted
from tests.pictures import photograph

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from django.db.models import QuerySet
    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import DjangoAssertNumQueries, Settings

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


LOOP = "{% for one in photos %}{% resized_img one.image alt='' %}{% resized_url one.image %}{% endfor %}"
PREFETCH = '{% resized_prefetch photos "image" %}'


def in_django(text: str, photos: Any) -> str:
    return Template("{% load resizer %}" + text).render(Context({"photos": photos}))


def in_jinja(text: str, photos: Any) -> str:
    environment = Environment(extensions=["resizer.jinja2.ResizerExtension"])
    return environment.from_string(text).render(photos=photos)


Render: TypeAlias = "Callable[[str, Any], str]"
languages = pytest.mark.parametrize("render", [in_django, in_jinja])
peers = pytest.mark.skipif(VERSION < (6, 1), reason="Django knows no peers")


def listed(**options: Any) -> QuerySet[Photo]:
    """Evaluated, with an empty cache."""
    rows = Photo.objects.order_by("pk")
    for name, value in options.items():
        rows = getattr(rows, name)(value)
    assert len(rows) == 6
    clear()
    return rows


def clear() -> None:
    caches["default"].clear()
    cache._near.clear()


@languages
def test_tag_looks_up_a_list_at_once(photos: list[Photo], render: Render) -> None:
    rows = listed()
    with counted() as costs:
        assert render(PREFETCH + LOOP, rows).count("<picture>") == 6
    # The first read fills the cache.
    assert (costs.cache, costs.storage) == (["read_many", "write_many"], [])
    assert len(costs.queries) == 1
    with counted() as costs:
        render(PREFETCH + LOOP, rows)
    assert costs == (["read_many"], [], [])


@peers
@languages
def test_first_tag_looks_up_the_other_rows_of_its_query(
    photos: list[Photo], render: Render
) -> None:
    rows = listed(fetch_mode=models.FETCH_PEERS)
    with counted() as costs:
        assert render(LOOP, rows).count("<picture>") == 6
    assert (costs.cache, costs.storage) == (["read_many", "write_many"], [])
    assert len(costs.queries) == 1


@peers
def test_first_tag_of_a_very_long_list_looks_up_those_after_it(
    photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_TOGETHER", 4)
    rows = listed(fetch_mode=models.FETCH_PEERS)
    with counted() as costs:
        in_django(LOOP, rows[2:])
    assert (len(costs.queries), costs.cache) == (1, ["read_many", "write_many"])
    with counted() as costs:
        in_django(LOOP, rows)
    assert len(costs.queries) == 1


@peers
def test_field_that_is_not_loaded_is_not_fetched_for_other_rows(photos: list[Photo]) -> None:
    rows = listed(fetch_mode=models.FETCH_PEERS)
    del rows[3].__dict__["image"]
    with counted() as costs:
        in_django(LOOP, rows[:3])
    assert len(costs.queries) == 1


@languages
def test_unknown_originals_of_a_list_are_read_by_one_query(
    photos: list[Photo], render: Render
) -> None:
    Original.objects.all().delete()
    rows = listed()
    with counted() as costs:
        assert render(PREFETCH + LOOP, rows).count("<picture>") == 6
    assert costs.cache == ["read_many", *["write"] * 6]
    verbs = Counter(one.partition(" ")[0] for one in costs.queries)
    assert verbs == {"SELECT": 1, "SAVEPOINT": 6, "INSERT": 6, "RELEASE": 6}


def test_missing_original_is_looked_for_once_on_a_page(photos: list[Photo]) -> None:
    Original.objects.all().delete()
    for one in photos:
        one.image.storage.delete(str(one.image.name))
    save("another.jpg")
    rows = listed()
    with counted() as costs:
        assert in_django(PREFETCH + LOOP, rows).count("data-resizer") == 6
    assert (len(costs.queries), costs.cache) == (1, ["read_many", *["write"] * 6])
    # Of the source, and of its storage.
    assert costs.storage == ["stat", "stat"] * 6


def test_list_is_looked_up_for_one_page_only(
    photos: list[Photo], clock: FrozenDateTimeFactory
) -> None:
    rows = listed()
    in_django(PREFETCH, rows)
    with counted() as costs:
        in_django(LOOP, rows)
    assert costs == ([], [], [])
    clock.tick(11)
    with counted() as costs:
        in_django(LOOP, rows)
    assert set(costs.cache) == {"read"}


def test_file_of_another_name_is_looked_up_again(photos: list[Photo]) -> None:
    rows = listed()
    in_django(PREFETCH, rows)
    rows[0].image.name = "5.jpg"
    assert in_django(LOOP, rows).count("/5.jpg/") == in_django(LOOP, rows).count("/4.jpg/") * 2


@languages
def test_list_that_is_not_there_is_passed_over(render: Render) -> None:
    assert render(PREFETCH + "{% resized_prefetch absent 'image' %}", None) == ""


def test_jinja_has_it_as_a_function(photos: list[Photo]) -> None:
    rows = listed()
    assert in_jinja('{{ resized_prefetch(photos, "image") }}', rows) == ""
    with counted() as costs:
        in_jinja(LOOP, rows)
    assert costs == ([], [], [])


MISTAKES = {
    '{% resized_prefetch photos "imgae" %}': "has no attribute 'imgae'",
    '{% resized_prefetch photos "title" %}': "'title' is no field for files",
    "{% resized_prefetch photos image %}": 'Write resized_prefetch photos "image".',
    "{% resized_prefetch photos photos.0.image %}": "the name of a field is empty, or no text",
}


@languages
@pytest.mark.parametrize("text", MISTAKES)
def test_mistake_in_the_tag_is_an_error_in_development_only(
    photos: list[Photo],
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    render: Render,
    text: str,
) -> None:
    settings.DEBUG = False
    assert "<picture>" in render(text + LOOP, photos)
    assert MISTAKES[text] in caplog.text
    settings.DEBUG = True
    with pytest.raises(ValueError, match=r"^resized_prefetch") as error:
        render(text, photos)
    assert MISTAKES[text] in str(error.value)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (iter([]), "list_iterator can be read only once. Make it a list before"),
        ("image", "str is no list. Pass a list, a queryset"),
        (Photo(), "Photo is no list. Pass a list, a queryset or a page of a paginator."),
    ],
)
def test_what_is_no_list_is_an_error(objects: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        resizer.prefetch(objects, "image")


@languages
@pytest.mark.parametrize("values", ["", "photos", 'photos image="image"', 'list=photos "image"'])
def test_tag_without_a_list_or_a_field_says_what_to_write(render: Render, values: str) -> None:
    with pytest.raises((TemplateSyntaxError, JinjaError), match='Write resized_prefetch photos "i'):
        render(f"{{% resized_prefetch {values} %}}", [])
