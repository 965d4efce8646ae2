"""Test the storages of variants: write a file, read it, and delete it."""

from __future__ import annotations

import secrets
import time
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from resizer.conf import get_settings
from resizer.errors import StoreFailed
from resizer.formats import PNG
from resizer.keys.variant import Variant, write_directory, write_key
from resizer.links.signing import sign
from resizer.maintenance import losses, presence
from resizer.maintenance.doctor.findings import Finding, Mark
from resizer.maintenance.doctor.patience import within
from resizer.maintenance.listing import variant_of
from resizer.maintenance.pixel import one_pixel
from resizer.records import rows
from resizer.sources import StorageSource, get_sources
from resizer.sources.identity import own_alias
from resizer.storages import publishing
from resizer.storages.kinds import kind_of
from resizer.store import backends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.storage import Storage

#: How many known variants are looked for.
SAMPLE = 100


def probe(*, is_private: bool = False) -> tuple[Variant, str]:
    """A variant of an original that does not exist, and its key."""
    name = f"resizer-doctor-{secrets.token_hex(8)}.png"
    variant = Variant(
        source="default",
        name=name,
        version="00000000",
        width=1,
        format=PNG,
        is_private=is_private,
    )
    return variant, write_key(variant, sign(variant))


def examine_variants(storage: Storage, *, is_private: bool) -> Finding:
    """Whether variants can be kept. Writes nothing into a storage that has lost its variants."""
    part = losses.STORAGES[is_private]
    known = rows.count(is_private=is_private)
    if known and kind_of(storage).is_local and _is_bare(storage):
        # Writing would make the directory, perhaps on the disk that is mounted over.
        text = (
            f"it is empty or missing, but the database knows {known:,} cached variants. Is the disk mounted?"
            " If they were deleted, run resizer_sync --force."
        )
        return Finding(Mark.BROKEN, part, text)
    finding = _try_storage(part, storage, *probe(is_private=is_private))
    if finding.mark is not Mark.FINE or not kind_of(storage).is_local:
        return finding
    # Below an unmounted disk, the directory fills with the variants of the last hours.
    keys = rows.sample(SAMPLE, is_private=is_private)
    lost = len(backends.missing(keys))
    if len(keys) < presence.MANY or lost * 2 <= len(keys):
        return finding
    text = (
        f"it works, but has lost {lost} of {len(keys)} known variants. Is the disk mounted?"
        " If they were deleted, run resizer_sync."
    )
    return Finding(Mark.ADVICE, part, text)


def examine_private_sources() -> Iterator[Finding]:
    """Whether private variants can be kept, and whether public ones are left of a source that was public before."""
    private = [alias for alias, source in get_settings().SOURCES.items() if source.PRIVATE]
    storage = backends.private_storage()
    # A system check says that it is missing.
    if not private or storage is None:
        return
    part = losses.STORAGES[True]
    yield from within(part, partial(examine_variants, storage, is_private=True))
    for alias in private:
        yield from within(f"source {alias}", partial(_public_rest, alias))


def _public_rest(alias: str) -> Finding:
    part = f"source {alias}"
    source = get_sources()[alias]
    # Before it was configured, its storage had an alias of its own.
    former = own_alias(source.storage) if isinstance(source, StorageSource) else None
    try:
        rest = next(chain.from_iterable(map(_public_keys, filter(None, (alias, former)))), None)
    except StoreFailed as error:
        return Finding(Mark.BROKEN, part, f"{error}.")
    if rest is None:
        return Finding(Mark.FINE, part, "it is private, and no public variant is left of it.")
    text = (
        f"it is private, but public variants are left, such as {rest}. Servers and CDNs may show them."
        " Run resizer_purge, and purge the CDN."
    )
    return Finding(Mark.BROKEN, part, text)


def _public_keys(alias: str) -> Iterator[str]:
    """The public variants of a source. Raises StoreFailed."""
    directory = write_directory(alias, is_private=False)
    for one in publishing.walk(backends.public_storage(), directory):
        variant = variant_of(one.name)
        if variant is not None and variant.source == alias:
            yield one.name


def _try_storage(part: str, storage: Storage, variant: Variant, key: str) -> Finding:
    content = one_pixel()
    started_at = time.perf_counter()
    try:
        publishing.publish(storage, key, content, variant.format)
        fetched = publishing.fetch(storage, key)
        second = publishing.publish(storage, key, content, variant.format)
        publishing.remove(storage, [key])
        rest = publishing.fetch(storage, key)
    except StoreFailed as error:
        advice = "Check its STORAGES entry, its permissions and its free space."
        return Finding(Mark.BROKEN, part, f"{error}. {advice}")
    seconds = time.perf_counter() - started_at
    name = type(storage).__name__
    if fetched is None or fetched[0] != content:
        text = f"{name} returns other content than was written, so it cannot keep variants. Use another storage."
        return Finding(Mark.BROKEN, part, text)
    if rest is not None:
        text = f"{name} still has a deleted file, so variants cannot be purged. Permit deleting."
        return Finding(Mark.BROKEN, part, text)
    if second is not None:
        text = f"{name} works, but a second writer replaces a file. That is harmless, because both write the same picture."
        return Finding(Mark.ADVICE, part, text)
    return Finding(Mark.FINE, part, f"{name} writes, reads and deletes ({seconds * 1000:.0f} ms).")


def _is_bare(storage: Storage) -> bool:
    try:
        return next(publishing.walk(storage), None) is None
    except StoreFailed:
        # Writing says why.
        return False
