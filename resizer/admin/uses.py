"""Where an original is used: objects of any model with a file field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.db.models import CharField, FileField, Q
from django.urls import reverse

from resizer.errors import OriginalNotFound
from resizer.markup.stored import read_stored
from resizer.sources import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.admin import AdminSite
    from django.db.models import Model, QuerySet
    from django.db.models.fields.files import FieldFile
    from django.http import HttpRequest

    from resizer.models import Original
    from resizer.records.descriptions import Point
    from resizer.sources import Source

#: The most objects of a model to name, or to search.
MOST_NAMED = 20
MOST_SEARCHED = 200


class Use(NamedTuple):
    """One object with the picture."""

    kind: str
    title: str
    #: Of its page in the admin. Empty if there is none.
    url: str
    file: FieldFile
    #: The focal point of the object. It wins over the original's.
    focal: Point | None


class _Place(NamedTuple):
    """A file field, and the source of its files."""

    field: FileField
    alias: str
    source: Source


def find_uses(request: HttpRequest, original: Original, site: AdminSite) -> list[Use]:
    """Objects with an original, as far as the user may view them."""
    uses = []
    for field, _alias, _source in _places(request, site, alias=original.source):
        rows = _rows(request, site, field.model).filter(**{field.name: original.name})
        uses += [_use(one, field, site) for one in rows[:MOST_NAMED]]
    return uses


def find_titled(request: HttpRequest, term: str, site: AdminSite, path: str) -> Q:
    """Originals of objects that a search in their own admin finds. `path` leads to the original."""
    found = Q()
    for field, alias, source in _places(request, site) if term else ():
        rows = _search(request, site, field.model, term).exclude(**{field.name: ""})
        names = rows.order_by().values_list(field.name, flat=True)[:MOST_SEARCHED]
        spelled = [source.spell(name) for name in names if name]
        if spelled:
            found |= Q(**{f"{path}source": alias, f"{path}name__in": spelled})
    return found


def _places(request: HttpRequest, site: AdminSite, alias: str | None = None) -> Iterator[_Place]:
    for model in apps.get_models():
        fields = [one for one in model._meta.get_fields() if isinstance(one, FileField)]
        if not fields or not _may_view(request, site, model):
            continue
        for field in fields:
            found = _source_of(field)
            if found is not None and alias in {None, found[0]}:
                yield _Place(field, *found)


def _source_of(field: FileField) -> tuple[str, Source] | None:
    try:
        return source_of(field.storage)
    except OriginalNotFound:
        # The storage cannot be loaded. A system check says so.
        return None


def _may_view(request: HttpRequest, site: AdminSite, model: type[Model]) -> bool:
    if site.is_registered(model):
        return site._registry[model].has_view_permission(request)
    codename = get_permission_codename("view", model._meta)
    return request.user.has_perm(f"{model._meta.app_label}.{codename}")


def _rows(request: HttpRequest, site: AdminSite, model: type[Model]) -> QuerySet[Any]:
    # An admin may limit its objects to those of the user.
    if site.is_registered(model):
        return site._registry[model].get_queryset(request)
    return model._default_manager.all()


def _search(request: HttpRequest, site: AdminSite, model: type[Model], term: str) -> QuerySet[Any]:
    rows = _rows(request, site, model)
    if site.is_registered(model) and site._registry[model].get_search_fields(request):
        return site._registry[model].get_search_results(request, rows, term)[0]
    # Without search fields: the texts that a title is made of.
    texts = [one.name for one in model._meta.get_fields() if isinstance(one, CharField)]
    condition = Q(*((f"{name}__icontains", term) for name in texts), _connector=Q.OR)
    return rows.filter(condition) if texts else rows.none()


def _use(one: Model, field: FileField, site: AdminSite) -> Use:
    meta = one._meta
    url = ""
    if site.is_registered(type(one)):
        name = f"admin:{meta.app_label}_{meta.model_name}_change"
        url = reverse(name, args=[one.pk], current_app=site.name)
    file: FieldFile = getattr(one, field.name)
    return Use(str(meta.verbose_name), str(one), url, file, read_stored(file).focal)
