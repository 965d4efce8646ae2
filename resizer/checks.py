"""System checks for mistakes in the configuration. Each message says what is wrong, and each hint what to do.

docs/reference/checks.md lists them by their ids.
"""

from __future__ import annotations

import difflib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.core.cache import InvalidCacheBackendError, caches
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.checks.security.base import SECRET_KEY_INSECURE_PREFIX
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.http.request import split_domain_port, validate_host
from django.urls import NoReverseMatch
from django.utils.encoding import force_str

from resizer.concurrency import lockfiles
from resizer.concurrency.locks import locking_cache
from resizer.conf import BY_APP, BY_STORAGE, OUR_MIDDLEWARE, get_settings, read_project
from resizer.engines import can_isolate, load_engine
from resizer.links.addresses import host, mount_path, signing_keys
from resizer.markup import picture
from resizer.markup.mistakes import mistaken_option
from resizer.serving.private import load_allow
from resizer.sources import StorageSource, get_sources
from resizer.sources.fields import field_failures
from resizer.sources.identity import is_same, lies_in, share_place
from resizer.storages.files import VARIANTS_DIRECTORY, Files
from resizer.storages.kinds import kind_of
from resizer.storages.objects import Objects
from resizer.store import variants_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.storage import Storage

_LOADING = (ImportError, AttributeError, TypeError, ValueError)
#: They add `Vary` or `Content-Encoding` to every response.
CHANGING = (
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.locale.LocaleMiddleware",
)
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
#: Characters. A shorter key can be found by trying all keys against one signed URL.
LEAST_KEY_CHARACTERS = 32


@register("resizer")
def check_settings(**_: Any) -> list[CheckMessage]:
    _settings, problems = read_project()
    if problems:
        return [Error(one.message, hint=one.hint, id=one.id) for one in problems]
    return [
        *_check_storage(),
        *_check_mount(),
        *_check_classes(),
        *_check_isolation(),
        *_check_fields(),
        *_check_open_sources(),
        *_check_private_storage(),
        *_check_private_originals(),
        *_check_allow(),
        *_check_middleware(),
        *_check_host(),
        *_check_signing(),
        *_check_warming(),
        *_check_presets(),
    ]


@register("resizer", deploy=True)
def check_locks(**_: Any) -> list[CheckMessage]:
    if any(one.is_serious() for one in check_settings()) or locking_cache() is not None:
        return []
    alias = get_settings().CACHE
    name = type(caches[alias]).__name__
    hint = f"Configure CACHES[{alias!r}] as Redis, Memcached or a database table"
    harm = "That costs only time."
    try:
        lockfiles.identity()
    except OSError as error:
        message = f"Processes may render the same variant at the same time. The lock directory does not work: {error}. {harm}"
        hint = f"{hint}. Or set RESIZER['LOCK_DIRECTORY'] to a local directory, writable for this user only."
        return [Warning(message, hint=hint, id="resizer.W004")]
    # With variants on a local disk, only this machine makes them.
    if kind_of(variants_storage()).is_local:
        return []
    message = f"Hosts may render the same variant at the same time, because {name} cannot lock between them. {harm}"
    return [Warning(message, hint=f"{hint}.", id="resizer.W004")]


@register("resizer", deploy=True)
def check_own_storage(**_: Any) -> list[CheckMessage]:
    if any(one.is_serious() for one in check_settings()):
        return []
    alias = get_settings().STORAGE
    if alias in storages.backends:
        return []
    is_on_disk = kind_of(variants_storage()).is_local
    place = f"in {VARIANTS_DIRECTORY}/ in the media directory" if is_on_disk else "in memory"
    message = f"STORAGES has no {alias!r}. Variants are kept {place}."
    return [Warning(message, hint=_storage_hint(alias), id="resizer.W001")]


@register("resizer", deploy=True)
def check_place(**_: Any) -> list[CheckMessage]:
    if any(one.is_serious() for one in check_settings()):
        return []
    storage: Any = variants_storage()
    if not kind_of(storage).is_local:
        return []
    place = Path(storage.location)
    # The app makes missing directories.
    existing = next(one for one in (place, *place.parents) if one.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    message = f"Variants cannot be kept, because {str(existing)!r} cannot be written. Every request makes its variant anew."
    hint = f"Make {str(place)!r} a directory that the user of the server can write."
    return [Warning(message, hint=hint, id="resizer.W010")]


@register("resizer", deploy=True)
def check_key_lengths(**_: Any) -> list[CheckMessage]:
    if any(one.is_serious() for one in check_settings()):
        return []
    keys = [force_str(key) for key in signing_keys()]
    is_insecure = any(key.startswith(SECRET_KEY_INSECURE_PREFIX) for key in keys)
    if not is_insecure and all(len(key) >= LEAST_KEY_CHARACTERS for key in keys):
        return []
    message = (
        f"A key that signs URLs, or a former key, has less than {LEAST_KEY_CHARACTERS} characters or starts with"
        f" {SECRET_KEY_INSECURE_PREFIX!r}. An attacker can guess it, and request any variant."
    )
    hint = (
        f"Set RESIZER['SIGNING_KEY'] to {LEAST_KEY_CHARACTERS} or more random characters."
        " Remove weak keys from SIGNING_KEY_FALLBACKS and SECRET_KEY_FALLBACKS."
    )
    return [Warning(message, hint=hint, id="resizer.W005")]


def _check_storage() -> Iterator[CheckMessage]:
    alias = get_settings().STORAGE
    hint = _storage_hint(alias)
    try:
        storage = variants_storage()
    except (ImportError, TypeError, ValueError, ImproperlyConfigured) as error:
        message = f"The variants storage {alias!r} cannot be loaded: {error}"
        near = difflib.get_close_matches(alias, storages.backends, n=1)
        if alias not in storages.backends and near:
            hint = f"Did you mean {near[0]!r}? {hint}"
        yield Error(message, hint=hint, id="resizer.E003")
        return
    if get_settings().MAX_ANSWER_BYTES is not None and kind_of(storage).has_unsigned_urls:
        yield Warning(
            "Large variants redirect visitors to an unsigned URL of the bucket. A private bucket refuses them.",
            hint=f"In the OPTIONS of STORAGES[{alias!r}], set custom_domain to the CDN before the bucket, or"
            " querystring_auth to True.",
            id="resizer.W003",
        )
    for name, source in _storage_sources():
        try:
            beside = source.storage
        except ImproperlyConfigured as error:
            yield Error(
                f"The storage of source {name!r} cannot be loaded: {error}",
                hint="Set OPTIONS['storage'] to an alias in STORAGES.",
                id="resizer.E005",
            )
            continue
        if share_place(beside, storage):
            yield Error(
                f"Variants and the originals of source {name!r} are kept in the same place.",
                hint=f"Give STORAGES[{alias!r}] another location. A variant's directory is named like its original.",
                id="resizer.E007",
            )


def _storage_hint(alias: str) -> str:
    return (
        f"Set STORAGES[{alias!r}] to {{'BACKEND': …, 'OPTIONS': …}}."
        " OPTIONS name the directory or bucket for variants."
    )


def _storage_sources() -> Iterator[tuple[str, StorageSource]]:
    try:
        sources = get_sources()
    except _LOADING:
        # E005 says so.
        return
    for name, source in sources.items():
        if isinstance(source, StorageSource):
            yield name, source


def _check_mount() -> Iterator[CheckMessage]:
    try:
        mount = mount_path()
    except NoReverseMatch:
        yield Error(
            "The root URLconf does not include resizer.urls.",
            hint='Add path("img/", include("resizer.urls")) to the root URLconf.',
            id="resizer.E004",
        )
        return
    if not mount.endswith("/"):
        yield Warning(
            f"The URLs of pictures begin with {mount!r}, without a slash behind it.",
            hint=f'Write path("{mount.strip("/")}/", include("resizer.urls")), so that nginx and CDNs find a directory.',
            id="resizer.W012",
        )


def _check_isolation() -> Iterator[CheckMessage]:
    if get_settings().ISOLATION and not can_isolate() and not django_settings.DEBUG:
        yield Error(
            "This system cannot isolate the engine, so no pictures are made.",
            hint="Use Linux or macOS in production. To develop here, set DEBUG. If every original is your own, you can"
            " set RESIZER['ISOLATION'] to False.",
            id="resizer.E050",
        )


def _check_classes() -> Iterator[CheckMessage]:
    try:
        get_sources()
    except _LOADING as error:
        yield Error(
            f"RESIZER['SOURCES'] cannot be loaded: {error}",
            hint="Set BACKEND to the dotted path of a class, and OPTIONS to its keyword arguments.",
            id="resizer.E005",
        )
    alias = get_settings().CACHE
    try:
        caches[alias]
    except InvalidCacheBackendError as error:
        yield Error(
            f"RESIZER['CACHE'] cannot be loaded: {error}",
            hint="Set it to an alias in CACHES.",
            id="resizer.E005",
        )
    try:
        engine = load_engine(get_settings().ENGINE)
        unwritten = [one for one in get_settings().FORMATS if not engine.can_write(one)]
        unread = [one for one in get_settings().EXTRA_FORMATS if not engine.can_read(one)]
    except (*_LOADING, OSError) as error:
        hint = 'Set it to "auto", or to the dotted path of an engine class.'
        if ".libvips." in get_settings().ENGINE and not isinstance(error, AttributeError):
            hint = f'Run pip install "django-resized-img[vips]". {hint}'
        yield Error(
            f"RESIZER['ENGINE'] cannot be loaded: {error}",
            hint=hint,
            id="resizer.E005",
        )
        return
    for found in unread:
        yield Error(
            f"The engine cannot read {found.name}.",
            hint=f'Run pip install "django-resized-img[{found.name}]", or remove it from EXTRA_FORMATS.',
            id="resizer.E006",
        )
    for target in unwritten:
        yield Error(
            f"The engine cannot write {target.name}.",
            hint=f"Install an image library that writes {target.name}, or remove it from FORMATS.",
            id="resizer.E006",
        )


def _check_fields() -> Iterator[CheckMessage]:
    for field, error in field_failures():
        # A warning only: the storage may need a request or a tenant, and a command has neither.
        yield Warning(
            f"A storage of {field} cannot be loaded: {type(error).__name__}: {error}",
            hint="Fix the storage. Until then, pages print the pictures of this field without a URL.",
            obj=field,
            id="resizer.W007",
        )


def _check_open_sources() -> Iterator[CheckMessage]:
    configured = get_settings().SOURCES
    sources: dict[bool, dict[str, Storage]] = {True: {}, False: {}}
    for name, source in _storage_sources():
        with suppress(ImproperlyConfigured):
            # E005 says so.
            is_open = name in configured and configured[name].OPEN
            sources[is_open][name] = source.storage
    for closed, inner in sources[False].items():
        for name, outer in sources[True].items():
            if lies_in(inner, outer):
                place = getattr(inner, "location", None)
                yield Warning(
                    f"Everybody can see the originals of the closed source {closed!r}. Their location {place!r}"
                    f" is inside the open source {name!r}.",
                    hint=f"Move them, or set 'OPEN': False for {name!r}. If everybody may see them,"
                    " configure their source in RESIZER['SOURCES'] with 'OPEN': True.",
                    id="resizer.W008",
                )


def _private_aliases() -> list[str]:
    return [alias for alias, source in get_settings().SOURCES.items() if source.PRIVATE]


def _check_private_storage() -> Iterator[CheckMessage]:
    settings = get_settings()
    if not _private_aliases():
        return
    alias = settings.PRIVATE_STORAGE
    hint = (
        f"Set STORAGES[{alias!r}] to {{'BACKEND': …, 'OPTIONS': …}}. OPTIONS name a directory or bucket of its own,"
        " which no web server or CDN serves."
    )
    try:
        storage = storages[alias]
        kind = kind_of(storage)
    except (ImportError, TypeError, ValueError, ImproperlyConfigured) as error:
        message = f"A source is private, but the storage {alias!r} for its variants cannot be loaded: {error}"
        yield Error(message, hint=hint, id="resizer.E011")
        return
    for other, outer in _other_storages(alias):
        if lies_in(storage, outer):
            yield Error(
                f"Visitors may reach private variants. Their storage {alias!r} lies in the storage {other!r}.",
                hint=hint,
                id="resizer.E011",
            )
    if _has_public_files(storage):
        yield Error(
            f"Everybody who knows a URL can see private variants: the bucket of {alias!r} serves them without a signature.",
            hint="In its OPTIONS, set querystring_auth to True, and remove custom_domain and default_acl.",
            id="resizer.E011",
        )
    delivery = settings.PRIVATE_DELIVERY
    is_suitable = {BY_APP: True, BY_STORAGE: isinstance(kind, Objects)}.get(
        delivery, isinstance(kind, Files)
    )
    if not is_suitable:
        yield Error(
            f"RESIZER['PRIVATE_DELIVERY'] is {delivery!r}, but the storage {alias!r} is a {type(storage).__name__}.",
            hint=f'Use "{BY_STORAGE}" for a bucket, the path of an internal location for files, or "{BY_APP}".',
            id="resizer.E012",
        )


def _other_storages(private: str) -> Iterator[tuple[str, Storage]]:
    """All other storages, except those of private originals."""
    originals = []
    for name, source in _storage_sources():
        with suppress(ImproperlyConfigured):
            # E005 says so.
            if get_settings().is_private(name):
                originals.append(source.storage)
    for alias in {**storages.backends, get_settings().STORAGE: {}}:
        if alias == private:
            continue
        with suppress(*_LOADING, ImproperlyConfigured):
            # E003 and E005 say so.
            storage = variants_storage() if alias == get_settings().STORAGE else storages[alias]
            if not any(is_same(storage, one) for one in originals):
                yield alias, storage


def _has_public_files(storage: Any) -> bool:
    """Whether a bucket gives its objects to everybody, as far as its options tell."""
    has_domain = getattr(storage, "custom_domain", None)
    has_signer = getattr(storage, "cloudfront_signer", None)
    acl = getattr(storage, "default_acl", None) or ""
    return bool(
        kind_of(storage).has_unsigned_urls
        or (has_domain and not has_signer)
        or acl.startswith("public")
    )


def _check_private_originals() -> Iterator[CheckMessage]:
    private = _private_aliases()
    sources = dict(_storage_sources())
    for name in private:
        for other in sources.keys() - set(private):
            if name not in sources:
                continue
            with suppress(ImproperlyConfigured):
                # E005 says so.
                inner, outer = sources[name].storage, sources[other].storage
                if lies_in(inner, outer):
                    yield Error(
                        f"The originals of the private source {name!r} lie in the public source {other!r}."
                        " Pages may print public URLs of them.",
                        hint=f"Move the originals of {name!r} into a directory or bucket of their own,"
                        f" or make {other!r} private too.",
                        id="resizer.E013",
                    )


def _check_allow() -> Iterator[CheckMessage]:
    for name, source in get_settings().SOURCES.items():
        if source.ALLOW is None:
            continue
        try:
            load_allow(source.ALLOW)
        except _LOADING as error:
            yield Error(
                f"ALLOW of RESIZER['SOURCES'][{name!r}] cannot be loaded: {error}",
                hint="Set it to the dotted path of a function f(request, reference) -> bool.",
                id="resizer.E005",
            )


def _check_warming() -> Iterator[CheckMessage]:
    wanted = get_settings().WARM_ON_SAVE
    unknown = [name for name in wanted if name and name not in get_settings().PRESETS]
    if unknown:
        yield Error(
            f"RESIZER['WARM_ON_SAVE'] names {unknown[0]!r}, which is not in PRESETS.",
            hint="Use names of PRESETS, or True for the tag without a preset.",
            id="resizer.E010",
        )
    if not wanted:
        return
    try:
        from resizer.tasks import backend_without_workers
    except ImportError as error:
        yield Error(
            f"RESIZER['WARM_ON_SAVE'] needs tasks: {error}",
            hint="Use Django 6.0 or later, or run pip install django-tasks.",
            id="resizer.E010",
        )
        return
    if backend_without_workers():
        yield Warning(
            "Each save of an image waits until its variants are made, or none is made: TASKS has no backend with workers.",
            hint="Set TASKS['default'] to a backend with workers, or remove RESIZER['WARM_ON_SAVE'].",
            id="resizer.W011",
        )


def _check_signing() -> Iterator[CheckMessage]:
    try:
        keys = signing_keys()
    except ImproperlyConfigured:
        yield Error(
            "URLs cannot be signed. RESIZER['SIGNING_KEY'] and SECRET_KEY are both missing.",
            hint=f"Set RESIZER['SIGNING_KEY'] to {LEAST_KEY_CHARACTERS} or more random characters.",
            id="resizer.E008",
        )
        return
    if not all(keys):
        yield Error(
            "SECRET_KEY_FALLBACKS has an empty key. Everybody can sign URLs with it.",
            hint="Remove the empty string from SECRET_KEY_FALLBACKS.",
            id="resizer.E008",
        )


def _check_presets() -> Iterator[CheckMessage]:
    settings = get_settings()
    entries = {"RESIZER['DEFAULTS']": settings.DEFAULTS}
    entries |= {f"RESIZER['PRESETS'][{name!r}]": each for name, each in settings.PRESETS.items()}
    for place, entry in entries.items():
        options = {name: value for name, value in entry.items() if name in picture.OPTIONS}
        try:
            for name in entry.keys() - options.keys():
                advice = mistaken_option(name, picture.OPTIONS)
                if advice:
                    raise ValueError(f"{name!r} is no option. {advice}")
            picture.check(**options)
        except ValueError as error:
            yield Error(
                f"{place} has a mistake: {error}",
                hint="Correct it. Until then, tags that use it are errors.",
                id="resizer.E009",
            )


def _check_host() -> Iterator[CheckMessage]:
    try:
        name, _port = split_domain_port(host().partition("//")[2])
    except NoReverseMatch:
        # E004 says so.
        return
    middleware = list(django_settings.MIDDLEWARE)
    refuses = "django.middleware.common.CommonMiddleware" in _before_ours(middleware)
    if not name or not refuses or validate_host(name, django_settings.ALLOWED_HOSTS):
        return
    yield Warning(
        f"Pages print the host {host()!r} before pictures, but ALLOWED_HOSTS lacks {name!r}. Django refuses its requests.",
        hint=f"Put {OUR_MIDDLEWARE!r} first in MIDDLEWARE, or add {name!r} to ALLOWED_HOSTS."
        " If a CDN there sends the name of the site, silence this check.",
        id="resizer.W009",
    )


def _before_ours(middleware: list[str]) -> list[str]:
    if OUR_MIDDLEWARE not in middleware:
        return middleware
    return middleware[: middleware.index(OUR_MIDDLEWARE)]


def _check_middleware() -> Iterator[CheckMessage]:
    before = _before_ours(list(django_settings.MIDDLEWARE))
    changing = [name for name in before if name in CHANGING]
    if django_settings.SESSION_SAVE_EVERY_REQUEST and SESSIONS in before:
        # It would put a visitor's session cookie into a response for everybody.
        changing.append(SESSIONS)
    if changing:
        yield Warning(
            f"{changing[0]} adds headers to pictures. A shared cache then cannot keep one copy for all visitors.",
            hint=f"Put {OUR_MIDDLEWARE!r} first in MIDDLEWARE.",
            id="resizer.W002",
        )
