"""Making variants from the admin: those that were removed again, or all widths of an original.

A request makes variants for some seconds. The rest is made when visitors request it, or by the next click.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.db.models import Max
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from resizer import originals, store
from resizer.concurrency.waiting import Deadline
from resizer.conf import get_settings
from resizer.errors import InvalidOption, ResizerError
from resizer.keys.variant import Recipe, parse_key, parse_recipe, write_key
from resizer.links.signing import sign
from resizer.maintenance.pages import pages
from resizer.maintenance.warming import Warm
from resizer.originals import Freshness, locate
from resizer.records import index
from resizer.records.descriptions import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from resizer.keys.variant import ParsedKey
    from resizer.models import CachedVariant, Original
    from resizer.originals import File

logger = logging.getLogger(__name__)

#: A request makes variants for this time at most, seconds. Platforms such as AWS Lambda end it after 30.
MAKE_SECONDS = 15
#: How many rows are read at a time.
BATCH = 100
PERMISSION = "resizer.add_cachedvariant"
#: The recipe of the whole picture.
WHOLE = Recipe()


@dataclass(slots=True)
class Made:
    variants: int = 0
    bytes: int = 0
    failed: int = 0
    #: The time was over before all were made.
    is_over: bool = False


class _Over(Exception):
    """The time is over."""


def may_make(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


def make_again(variants: QuerySet[CachedVariant]) -> Made:
    """Remove variants, and make what pages print now in their place. A variant without an original stays."""
    made = Made()
    deadline = Deadline(MAKE_SECONDS)
    # What is made here has rows too, with larger primary keys.
    newest = variants.aggregate(pk=Max("pk"))["pk"] or 0
    for one in chain.from_iterable(pages(variants.filter(pk__lte=newest), BATCH)):
        if not deadline.seconds_left:
            made.is_over = True
            break
        try:
            made.bytes += _make_again(one)
            made.variants += 1
        except ResizerError as error:
            logger.warning("A variant was not made again: %.500r", error)
            made.failed += 1
    return made


def _make_again(row: CachedVariant) -> int:
    """The bytes of the new file. Raises ResizerError."""
    parsed = parse_key(row.key)
    variant = cast("ParsedKey", parsed).variant
    description = originals.look_up(Reference(variant.source, variant.name), Freshness.NOW)
    offered = description.offered(variant)
    store.delete_files([row.key])
    index.forget_variants([row.key])
    return store.make(description, offered, write_key(offered, sign(offered))).length


def make_all(original: Original, recipes: Iterable[str], files: Sequence[File]) -> Made:
    """Make all widths that a tag prints: of the whole picture, of each preset, and of recipes in use.

    `files` are those of objects with the original. An object may have a focal point of its own.
    """
    deadline = Deadline(MAKE_SECONDS)

    def stop_in_time(_key: str) -> None:
        if not deadline.seconds_left:
            raise _Over

    warm = Warm(options_of(recipes), tell=stop_in_time)
    made = Made()
    try:
        warm.run(files or [locate(original)])
    except _Over:
        made.is_over = True
    except ResizerError as error:
        logger.warning("Variants of %.500r were not made: %.500r", str(original), error)
        made.failed += 1
    made.variants, made.bytes = warm.report.made, warm.report.bytes
    made.failed += warm.report.failed
    return made


def options_of(recipes: Iterable[str]) -> list[dict[str, Any]]:
    """Options of tags for the whole picture, for presets, and for recipes as keys spell them. Each once."""
    options: list[dict[str, Any]] = [{}, *({"preset": name} for name in get_settings().PRESETS)]
    for text in recipes:
        try:
            found = _options(parse_recipe(text))
        except InvalidOption:
            continue
        if found not in options:
            options.append(found)
    return options


def _options(recipe: Recipe) -> dict[str, Any]:
    """The options that differ from those of the whole picture. A tag calls them as the recipe does."""
    found = {one.name: getattr(recipe, one.name) for one in fields(Recipe)}
    found = {name: value for name, value in found.items() if value != getattr(WHOLE, name)}
    # The focal point in a recipe may be a former one. The tag knows the present one.
    found.pop("focal", None)
    if recipe.ratio is not None:
        found["ratio"] = "{}/{}".format(*recipe.ratio)
    return found


def tell(model_admin: ModelAdmin[Any], request: HttpRequest, made: Made) -> None:
    """Tell the editor what was made."""
    if made.variants:
        text = ngettext("Made {n} variant, {bytes}.", "Made {n} variants, {bytes}.", made.variants)
        text = text.format(n=made.variants, bytes=filesizeformat(made.bytes))
        model_admin.message_user(request, text, messages.SUCCESS)
    if made.is_over:
        text = _("The time was over. Repeat this for the rest, or let visitors request them.")
        model_admin.message_user(request, text, messages.WARNING)
    if made.failed:
        text = ngettext(
            "{n} variant could not be made. The log has the reason.",
            "{n} variants could not be made. The log has the reason.",
            made.failed,
        ).format(n=made.failed)
        model_admin.message_user(request, text, messages.ERROR)
    if made == Made():
        text = _("All variants are there already.")
        model_admin.message_user(request, text, messages.INFO)
