from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.core.cache import caches
from django.urls import reverse
from django.utils import timezone

from config.gallery.admin import PhotoAdmin
from config.gallery.models import Photo
from resizer import originals
from resizer.admin import overview, states
from resizer.models import CachedVariant, Original
from resizer.records import tallies
from tests.conftest import save
from tests.pictures import photograph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client

VARIANTS = reverse("admin:resizer_cachedvariant_changelist")
ORIGINALS = reverse("admin:resizer_original_changelist")


def listed(client: Client, url: str) -> set[int]:
    """The primary keys of the rows on a page."""
    html = client.get(url).content.decode()
    return {int(pk) for pk in re.findall(r'name="_selected_action" value="(\d+)"', html)}


def choices(client: Client, name: str, url: str = VARIANTS) -> list[str]:
    """The links of one filter."""
    html = client.get(url).content.decode()
    return re.findall(rf'href="\?{name}=([^"&]+)"', html)


def pks(*variants: CachedVariant) -> set[int]:
    return {one.pk for one in variants}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("format=avif", [1]),
        ("format=jpeg", [0, 2]),
        ("format=png", []),
        ("source=default", [0, 1, 2]),
        ("source=web", []),
        ("width=0-320", [0, 2]),
        ("width=320-640", [1]),
        ("width=x", [0, 1, 2]),
        ("age=hour", [0, 2]),
        ("age=over-year", [1]),
        ("age=over-month", [1]),
        ("age=ever", [0, 1, 2]),
        ("recipe=whole", [0, 2]),
        ("recipe=1x1%2Cfp100-100", [1]),
        ("recipe=4x3", []),
        ("state=current", [0, 1, 2]),
        ("state=stale", []),
        ("state=x", [0, 1, 2]),
    ],
)
def test_variants_are_filtered(
    admin_client: Client, cached: list[CachedVariant], query: str, expected: list[int]
) -> None:
    long_ago = timezone.now() - timedelta(days=400)
    CachedVariant.objects.filter(pk=cached[1].pk).update(created_at=long_ago)
    assert listed(admin_client, f"{VARIANTS}?{query}") == pks(*(cached[one] for one in expected))


def test_filters_offer_what_occurs(admin_client: Client, cached: list[CachedVariant]) -> None:
    assert choices(admin_client, "format") == ["avif", "jpeg"]
    assert choices(admin_client, "width") == ["0-320", "320-640"]
    assert choices(admin_client, "recipe") == ["whole", "1x1%2Cfp100-100"]
    assert choices(admin_client, "age") == ["hour", "day", "week", "month"]
    # One choice is none.
    assert choices(admin_client, "source") == []
    assert choices(admin_client, "state") == []


def test_large_widths_have_names(admin_client: Client, cached: list[CachedVariant]) -> None:
    CachedVariant.objects.filter(pk=cached[0].pk).update(width=2560)
    html = admin_client.get(VARIANTS).content.decode()
    assert ">up to 320 px<" in html
    assert ">321 to 640 px<" in html
    assert ">above 1920 px<" in html


def test_empty_list_has_no_filters(admin_client: Client) -> None:
    html = admin_client.get(VARIANTS).content.decode()
    assert "changelist-filter" not in html
    assert admin_client.get(ORIGINALS).status_code == 200


def test_stale_and_orphaned_variants_are_filtered(
    admin_client: Client, cached: list[CachedVariant], tmp_path: Path
) -> None:
    save("cat.jpg", photograph((800, 800)))
    originals.look_up("cat.jpg", originals.Freshness.NOW)
    (tmp_path / "originals/dog.jpg").unlink()
    assert choices(admin_client, "state") == ["stale", "orphaned"]
    assert listed(admin_client, f"{VARIANTS}?state=stale") == pks(*cached[:2])
    assert listed(admin_client, f"{VARIANTS}?state=orphaned") == pks(cached[2])
    assert listed(admin_client, f"{VARIANTS}?state=current") == set()


def test_newest_of_many_variants_are_compared(
    admin_client: Client,
    cached: list[CachedVariant],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "originals/dog.jpg").unlink()
    save("bird.jpg")
    monkeypatch.setattr(states, "MOST", 2)
    html = admin_client.get(VARIANTS).content.decode()
    assert "By state of the newest 2" in html
    assert "States of the newest 2." in html
    assert listed(admin_client, f"{VARIANTS}?state=current") == pks(cached[1])
    assert listed(admin_client, f"{VARIANTS}?state=orphaned") == pks(cached[2])
    assert listed(admin_client, VARIANTS) == pks(*cached)


def test_originals_are_filtered_by_what_is_to_do(
    admin_client: Client, cached: list[CachedVariant]
) -> None:
    # Nothing to choose: all have no alternative text, and can be read.
    assert all(choices(admin_client, one, ORIGINALS) == [] for one in ("no-alt", "broken"))
    cat = Original.objects.get(name="cat.jpg")
    Original.objects.filter(pk=cat.pk).update(alt="A cat", has_alpha=True)
    dog = Original.objects.get(name="dog.jpg")
    Original.objects.filter(pk=dog.pk).update(frames=0)
    for name in ("no-alt", "broken", "transparent"):
        assert choices(admin_client, name, ORIGINALS) == ["yes", "no"]
    assert listed(admin_client, f"{ORIGINALS}?no-alt=yes") == {dog.pk}
    assert listed(admin_client, f"{ORIGINALS}?broken=yes") == {dog.pk}
    assert listed(admin_client, f"{ORIGINALS}?broken=no") == {cat.pk}
    assert listed(admin_client, f"{ORIGINALS}?transparent=yes") == {cat.pk}
    assert listed(admin_client, f"{ORIGINALS}?transparent=x") == {cat.pk, dog.pk}


def test_page_compares_variants_once(
    admin_client: Client, cached: list[CachedVariant], monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []
    real = states.scan

    def scan() -> states.Scan:
        scans.append(real())
        return scans[-1]

    monkeypatch.setattr(states, "scan", scan)
    caches["default"].clear()
    admin_client.get(f"{VARIANTS}?state=current")
    assert len(scans) == 1


def test_recipe_of_another_release_has_a_choice_of_its_own(
    admin_client: Client, cached: list[CachedVariant]
) -> None:
    CachedVariant.objects.filter(pk=cached[0].pk).update(recipe="rot90")
    assert "rot90" in choices(admin_client, "recipe")
    assert listed(admin_client, f"{VARIANTS}?recipe=rot90") == pks(cached[0])


def test_sources_are_asked_for_a_limited_time(
    cached: list[CachedVariant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cat.jpg", "dog.jpg"):
        (tmp_path / "originals" / name).unlink()
    save("bird.jpg")
    monkeypatch.setattr(states, "ASK_SECONDS", 0)
    assert len(states.scan().orphaned) < 3


# --- search


@pytest.fixture
def photo(admin_client: Client, photo: Photo) -> Photo:
    """A photograph with a variant."""
    from resizer.markup import picture

    Photo.objects.filter(pk=photo.pk).update(title="Morning over the Löwenzahn")
    admin_client.get(picture.url(photo.image, width=320))
    return photo


def test_variants_and_originals_are_found_by_the_title_of_an_object(
    admin_client: Client, photo: Photo, cached: list[CachedVariant]
) -> None:
    original = Original.objects.get(name=photo.image.name)
    variants = CachedVariant.objects.filter(original=original)
    assert listed(admin_client, f"{VARIANTS}?q=morning") == pks(*variants)
    assert listed(admin_client, f"{ORIGINALS}?q=morning") == {original.pk}
    assert listed(admin_client, f"{VARIANTS}?q=evening") == set()


def test_models_without_search_fields_are_searched_by_their_texts(
    admin_client: Client, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PhotoAdmin, "search_fields", ())
    assert len(listed(admin_client, f"{ORIGINALS}?q=morning")) == 1
    # A new registration would be another object than that in the URLs.
    registry: dict[Any, Any] = admin.site._registry
    monkeypatch.delitem(registry, Photo)
    assert len(listed(admin_client, f"{ORIGINALS}?q=morning")) == 1


def test_titles_of_objects_stay_unknown_to_who_may_not_view_them(
    photo: Photo, client_with: Callable[..., Client]
) -> None:
    name = Original.objects.get().name.rpartition("/")[2]
    for codenames, is_found in ((), False), (("view_photo",), True):
        viewer = client_with("view_original", *codenames)
        html = viewer.get(f"{ORIGINALS}?q=morning").content.decode()
        assert (f"</span> {name}</span>" in html) is is_found


# --- the header


def test_header_sums_up(admin_client: Client, cached: list[CachedVariant], tmp_path: Path) -> None:
    CachedVariant.objects.filter(pk=cached[1].pk).update(
        bytes=2048, render_ms=4321, created_at=timezone.now() - timedelta(days=50)
    )
    tallies.flush()
    for url in (VARIANTS, ORIGINALS):
        html = admin_client.get(url).content.decode()
        assert "of 2 originals" in html
        assert "4,321 ms" in html
        assert "1 variant, 2.0\u00a0KB, not used for 30 days" in html
        assert "<span>misses</span> <b>3</b>" in html
        assert 'style="' not in html.partition("resizer-overview")[2].partition("</section>")[0]
    # It follows at once.
    CachedVariant.objects.filter(pk=cached[1].pk).delete()
    assert "4,321 ms" not in admin_client.get(VARIANTS).content.decode()


def test_header_of_many_variants_is_remembered_longer(
    admin_client: Client, cached: list[CachedVariant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "LARGE", 1)
    admin_client.get(VARIANTS)
    CachedVariant.objects.filter(pk=cached[1].pk).delete()
    assert '<p class="resizer-figure">3</p>' in admin_client.get(VARIANTS).content.decode()


def test_empty_index_has_a_header_of_zeros(admin_client: Client) -> None:
    html = admin_client.get(VARIANTS).content.decode()
    assert '<p class="resizer-figure">0</p>' in html
    assert '<p class="resizer-figure">–</p>' in html


def test_page_without_totals_has_no_header(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resizer.records.totals.totals", lambda seconds: None)
    assert "resizer-overview" not in admin_client.get(VARIANTS).content.decode()
