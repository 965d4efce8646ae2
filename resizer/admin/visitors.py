"""What visitors get of an original: the file that a browser chooses on a phone, a tablet and a desktop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from resizer.keys.digests import digest_of
from resizer.links.private import key_at
from resizer.markup import picture
from resizer.models import CachedVariant

if TYPE_CHECKING:
    from resizer.markup.html import Picture
    from resizer.originals import File


class Device(NamedTuple):
    title: Any
    #: CSS px.
    width: int
    #: Device pixels for each CSS pixel.
    density: int


DEVICES = (
    Device(_("Phone"), 390, 3),
    Device(_("Tablet"), 820, 2),
    Device(_("Desktop"), 1440, 1),
)


class Load(NamedTuple):
    """The file that a device loads."""

    device: Device
    #: px
    width: int
    #: The cached variant. None: the first visitor has it made.
    variant: CachedVariant | None


def loads_of(file: File) -> list[Load]:
    """For a picture as wide as the screen. Empty for an original that is shown as it is."""
    widths = _widths(picture.build(file, alt=""))
    if not widths:
        return []
    chosen = [(device, _choose(widths, device.width * device.density)) for device in DEVICES]
    digests = {width: digest_of(key_at(widths[width])) for _device, width in chosen}
    rows = {row.digest: row for row in CachedVariant.objects.filter(digest__in=digests.values())}
    return [Load(device, width, rows.get(digests[width])) for device, width in chosen]


def _widths(made: Picture) -> dict[int, str]:
    """The URLs of the best format, by their width."""
    sources = [one for one in made.as_dict()["sources"] if not one["media"]]
    return {one["width"]: one["url"] for one in sources[0]["candidates"]} if sources else {}


def _choose(widths: dict[int, str], needed: int) -> int:
    return min((width for width in widths if width >= needed), default=max(widths))
