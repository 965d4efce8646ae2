"""The paths of our servers, for `make bench-peers`: of variants, and of what strangers send. In a process of the project.

python -m benchmarks.peers.paths pictures 640 "[54, 80]", python -m benchmarks.peers.paths strangers 640 1000 40 10, or
python -m benchmarks.peers.paths count
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import sys
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

django.setup()

from django.conf import settings  # noqa: E402  # the apps come first

from resizer import originals  # noqa: E402
from resizer.conf import get_settings  # noqa: E402
from resizer.formats import AVIF, JPEG  # noqa: E402
from resizer.keys.variant import Recipe, Variant  # noqa: E402
from resizer.links.mount import mount_path  # noqa: E402
from resizer.links.signing import key_of  # noqa: E402
from resizer.markup import picture  # noqa: E402
from resizer.models import CachedVariant, Original  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


def pictures(width: int, qualities: list[int]) -> list[list[object]]:
    """Names of originals, qualities and paths. A page with the tags has described the originals."""
    return [
        [name, quality, picture.url(f"{name}.jpg", width=width, format="jpeg", quality=quality)]
        for name in names()
        for quality in qualities
    ]


def names() -> list[str]:
    originals = sorted((Path(settings.DATA_DIR) / "originals").iterdir())
    return [path.stem for path in originals if not path.stem.startswith("broken-")]


def strangers(
    width: int, number: int, of_pages: int, broken_ones: int
) -> dict[str, dict[str, Any]]:
    """The status and the paths for each kind of request, so many different ones, except for broken originals.

    Old pages have so many originals, and so many broken ones.
    """
    whole = [variant_of(f"page-{one}.jpg", width) for one in range(of_pages)]
    mount = mount_path()
    printed = [mount + key_of(one) for one in whole]

    def each(path: Callable[[Variant, int], str]) -> list[str]:
        return [path(whole[one % of_pages], one) for one in range(number)]

    def changed(**changes: Callable[[int], Any]) -> list[str]:
        def write(variant: Variant, one: int) -> str:
            found = {field: change(one) for field, change in changes.items()}
            return mount + key_of(dataclasses.replace(variant, **found))

        return each(write)

    listed = get_settings().listed_widths
    unlisted = [one for one in range(17, max(listed)) if one not in listed]
    broken = [
        mount + key_of(variant_of(f"broken-{one}.jpg", each_width, target))
        for each_width in listed
        for target in (JPEG, AVIF)
        for one in range(broken_ones)
    ]

    def forge(variant: Variant, _: int) -> str:
        directory, stamp, file = (mount + key_of(variant)).rsplit("/", 2)
        return f"{directory}/{stamp[:9]}{secrets.token_urlsafe(11)[:14]}/{file}"

    return {
        "printed": {"status": 200, "paths": printed},
        "former version": {"status": 200, "paths": changed(version=lambda one: f"{one:08x}")},
        "missing original": {
            "status": 404,
            "paths": changed(name=lambda one: f"gone-{one}.jpg"),
        },
        "no key": {"status": 404, "paths": each(lambda _, one: f"{mount}wp-content/{one}.jpg")},
        "wrong signature": {"status": 403, "paths": each(forge)},
        "unlisted width": {
            "status": 302,
            "paths": changed(width=lambda one: unlisted[one // of_pages % len(unlisted)]),
        },
        "broken original": {"status": 422, "paths": list(islice(cycle(broken), number))},
    }


def variant_of(name: str, width: int, target: Any = JPEG) -> Variant:
    return originals.look_up(name).variant(Recipe(), width, target)


def count() -> list[int]:
    """Rows of originals and of variants, and files of variants."""
    variants = Path(settings.DATA_DIR) / "variants"
    files = sum(path.is_file() for path in variants.rglob("*"))
    return [Original.objects.count(), CachedVariant.objects.count(), files]


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    act: Any = {"pictures": pictures, "strangers": strangers, "count": count}[what]
    print(json.dumps(act(*map(json.loads, arguments))))
