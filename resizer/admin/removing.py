"""Removal of cached variants. A page says how many files and bytes go, and removes nothing before it is confirmed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Count, Sum
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from resizer import store
from resizer.concurrency.waiting import Deadline
from resizer.errors import StoreFailed
from resizer.maintenance.pages import pages
from resizer.records import index

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from resizer.models import CachedVariant

logger = logging.getLogger(__name__)

#: How many files are removed at a time.
BATCH = 1000
#: A request removes files for this time at most, seconds. Platforms such as AWS Lambda end it after 30.
REMOVE_SECONDS = 20
PERMISSION = "resizer.delete_cachedvariant"


class Total(NamedTuple):
    """Files, and their bytes."""

    variants: int
    bytes: int

    def __str__(self) -> str:
        number = ngettext("{n} file", "{n} files", self.variants).format(n=f"{self.variants:,}")
        return f"{number}, {filesizeformat(self.bytes)}"


def may_remove(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


def sum_of(variants: QuerySet[CachedVariant]) -> Total:
    found = variants.order_by().aggregate(n=Count("pk"), bytes=Sum("bytes"))
    return Total(found["n"], found["bytes"] or 0)


def remove(variants: QuerySet[CachedVariant]) -> Total:
    """Remove files and rows, until the time is over. Raises StoreFailed."""
    deadline = Deadline(REMOVE_SECONDS)
    number = length = 0
    for page in pages(variants.select_related(None).only("key", "bytes"), BATCH):
        if not deadline.seconds_left:
            break
        keys = [one.key for one in page]
        store.delete_files(keys)
        index.forget_variants(keys)
        number += len(page)
        length += sum(one.bytes for one in page)
    return Total(number, length)


def confirm(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    *,
    action: str,
    question: object,
    total: Total,
    selected: Sequence[object],
    button: object = "",
) -> HttpResponse:
    """The page of a question. Its form sends the action again, with `post`."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Are you sure?"),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "question": question,
        "total": str(total),
        "button": button or _("Remove"),
        "action": action,
        "action_checkbox_name": ACTION_CHECKBOX_NAME,
        "selected": selected,
        "select_across": request.POST.get("select_across", "0"),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/resizer/confirmation.html", context)


def carry_out(
    model_admin: ModelAdmin[Any], request: HttpRequest, work: Callable[[], Total], wanted: Total
) -> None:
    """Remove, and tell the editor what was removed."""
    try:
        done = work()
    except StoreFailed as error:
        logger.warning("Some variants could not be removed: %.500r", error)
        text = _("Some variants were not removed, because the storage failed. Please try again.")
        model_admin.message_user(request, text, messages.ERROR)
        return
    text = _("Removed {total}. The originals are untouched.").format(total=done)
    model_admin.message_user(request, text, messages.SUCCESS)
    if done.variants < wanted.variants:
        left = wanted.variants - done.variants
        text = ngettext(
            "{n} variant is left, because the time was over. Please remove it again.",
            "{n} variants are left, because the time was over. Please remove them again.",
            left,
        ).format(n=f"{left:,}")
        model_admin.message_user(request, text, messages.WARNING)
