"""The settings of the app: `RESIZER` in the project's settings, typed. Every key is optional.

Django is imported inside functions. A child process has no project, and starts a quarter faster without Django.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from resizer.conf.values import (
    BY_APP,
    BY_STORAGE,
    SourceSettings,
    read_allow_origin,
    read_defaults,
    read_delivery,
    read_exact_widths,
    read_extra_formats,
    read_flag,
    read_formats,
    read_host,
    read_metadata,
    read_optional_positive,
    read_optional_text,
    read_positive,
    read_presets,
    read_qualities,
    read_sizes,
    read_sources,
    read_text,
    read_texts,
    read_warming,
    read_widths,
)
from resizer.formats import FALLBACKS, JPEG, UNIVERSAL, Format
from resizer.keys.variant import AUTO, LOSSLESS, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resizer.keys.variant import Variant

__all__ = [
    "BY_APP",
    "BY_STORAGE",
    "MAX_FRAMES",
    "OUR_MIDDLEWARE",
    "VARIANTS_ALIAS",
    "Problem",
    "Settings",
    "SourceSettings",
    "adopt_settings",
    "get_settings",
    "read_project",
    "read_settings",
    "read_sizes",
    "wants_admin",
]

#: The most frames of an animation. Each frame costs time, even a small one. More frames show a still picture.
MAX_FRAMES = 5000
#: The alias of the variants storage, unless `STORAGE` names another. Only this one may be missing in `STORAGES`.
VARIANTS_ALIAS = "resizer"
#: The entry in `MIDDLEWARE`.
OUR_MIDDLEWARE = "resizer.middleware.ResizerMiddleware"


class Problem(NamedTuple):
    """One mistake in the settings, for a system check."""

    id: str
    message: str
    hint: str


def _setting(default: object, read: Callable[[Any], object]) -> Any:
    """One key of `RESIZER`: its default as a project writes it, and the function that reads it.

    `read` raises ValueError with the expected value, for a hint that begins with "It is".
    """
    return dataclasses.field(metadata={"default": default, "read": read})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settings:
    """The values of `RESIZER`. Instances are compared by identity: a change of settings makes a new one."""

    #: The sources of originals, by alias. Templates and Python name an original "alias:name".
    SOURCES: Mapping[str, SourceSettings] = _setting({}, read_sources)
    #: Dotted path of the engine class. "auto" takes libvips if it can be imported, else Pillow.
    ENGINE: str = _setting("auto", read_text)
    #: Whether the engine works in child processes, which can be killed. Use False if the platform isolates requests.
    ISOLATION: bool = _setting(True, read_flag)
    #: CPU time for one header or one variant, seconds. After that, the child process is killed.
    RENDER_SECONDS: int = _setting(10, read_positive)
    #: The alias in `STORAGES` of the variants storage.
    STORAGE: str = _setting(VARIANTS_ALIAS, read_text)
    #: The alias in `CACHES` of the cache for originals and variants. Losing its content costs only time.
    CACHE: str = _setting("default", read_text)
    #: Widths of fluid pictures, px, in rising order.
    WIDTHS: tuple[int, ...] = _setting(
        (320, 480, 640, 720, 800, 1080, 1200, 1366, 1600, 1920, 2560), read_widths
    )
    #: More widths, for icons and avatars, px, in rising order.
    FIXED_WIDTHS: tuple[int, ...] = _setting(
        (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512), read_widths
    )
    #: Widths only for pictures of exactly that width, or of a half or a third of it, px, in rising order. Others never
    #: round up to them.
    EXACT_WIDTHS: tuple[int, ...] = _setting((), read_exact_widths)
    #: The widest candidate of a picture with `width`, as a multiple of that width. On a narrow screen it may be denser.
    WIDTH_DENSITY: int = _setting(2, read_positive)
    #: Widths of windows at which `columns` counts one more column, CSS px, in rising order.
    BREAKPOINTS: tuple[int, ...] = _setting((768, 1024, 1280, 1536), read_widths)
    #: Whether pages link an SVG as it is. With False they print nothing for it.
    SHOW_SVG: bool = _setting(True, read_flag)
    #: Modern formats to offer, best first. JPEG or PNG is always offered too.
    FORMATS: tuple[Format, ...] = _setting(("avif",), read_formats)
    #: More formats of originals to open: "heic" (needs pi-heif) and "tiff".
    EXTRA_FORMATS: tuple[Format, ...] = _setting((), read_extra_formats)
    #: Levels of quality. Each level has a number for each format, on its encoder's scale, 1 to 100. "medium" is the default.
    QUALITIES: Mapping[str, Mapping[str, int]] = _setting({}, read_qualities)
    #: The metadata to copy into variants. "none" copies nothing, "copyright" the copyright notice and the creator.
    METADATA: str = _setting("none", read_metadata)
    #: The `sizes` attribute of a picture if the template gives none.
    SIZES: str = _setting("100vw", read_sizes)
    #: Scheme and host before the URLs of pictures on pages, such as "https://img.example.com". None takes the
    #: `custom_domain` of the variants storage, if its `location` is the path of the app's URLs. "" prints paths.
    HOST: str | None = _setting(None, read_host)
    #: The origin whose scripts may read pictures, as `Access-Control-Allow-Origin`: "*", or one such as
    #: "https://www.example.com". None allows no other origin.
    ALLOW_ORIGIN: str | None = _setting(None, read_allow_origin)
    #: Options and attributes of all pictures. Those of a preset win, and those of a tag.
    DEFAULTS: Mapping[str, Any] = _setting({}, read_defaults)
    #: Options and attributes with a name, for `preset="name"`. `extends` names another preset.
    PRESETS: Mapping[str, Mapping[str, Any]] = _setting({}, read_presets)
    #: The presets whose variants a task makes after a model's image was saved. True is the tag without a preset.
    WARM_ON_SAVE: tuple[str, ...] = _setting(False, read_warming)
    #: The key that signs URLs. None uses `SECRET_KEY` and its fallbacks.
    SIGNING_KEY: str | None = _setting(None, read_optional_text)
    #: Former signing keys. URLs signed with them still work.
    SIGNING_KEY_FALLBACKS: tuple[str, ...] = _setting((), read_texts)
    #: How long an image request trusts the known state of an original before it asks the source again, seconds.
    FRESH_SECONDS: int = _setting(300, read_positive)
    #: How long a request waits for its turn to render, or for another request rendering the same variant, seconds.
    LOCK_SECONDS: int = _setting(30, read_positive)
    #: Directory for the lock files of all processes of a machine. It must be local, and nobody else may write into it.
    #: None makes one in the temporary directory.
    LOCK_DIRECTORY: str | None = _setting(None, read_optional_text)
    #: The most concurrent renders on a machine. None is one for each core.
    MAX_RENDERS: int | None = _setting(None, read_optional_positive)
    #: The memory of all concurrent renders together, megabytes. None is half of the machine's or container's memory.
    MAX_RENDER_MEGABYTES: int | None = _setting(None, read_optional_positive)
    #: The most renders waiting for their turn. More get 503 at once. None is 16 for each core.
    MAX_WAITING: int | None = _setting(None, read_optional_positive)
    #: The most threads of one process that make variants or wait for them. More requests get 503 at once.
    #: None leaves a quarter of a thread pool free for stored variants. A small pool may use all its threads.
    #: None sets no limit for a server with one thread for each request.
    MAX_WAITING_PER_PROCESS: int | None = _setting(None, read_optional_positive)
    #: The most concurrent fetches of one process from one web host or one remote storage. Two more wait for one second.
    #: Others get 503.
    MAX_FETCHES: int = _setting(4, read_positive)
    #: The largest file of an original, bytes.
    MAX_BYTES: int = _setting(50_000_000, read_positive)
    #: The largest original, width × height in px.
    MAX_PIXELS: int = _setting(100_000_000, read_positive)
    #: The most memory for decoding one original, megabytes. A baseline JPEG is decoded at a reduced size and needs
    #: little. Other originals are decoded whole, at 4 to 19 bytes for each pixel.
    MAX_DECODED_MEGABYTES: int = _setting(512, read_positive)
    #: The largest animation, px of all frames together. A larger one becomes a still picture.
    MAX_ANIMATION_PIXELS: int = _setting(50_000_000, read_positive)
    #: The largest variant, width × height in px. Encoders take up to 30 bytes for each pixel.
    MAX_VARIANT_PIXELS: int = _setting(25_000_000, read_positive)
    #: Store a new variant after its response. Use False if nothing runs after a response, as on AWS Lambda.
    RESPOND_FIRST: bool = _setting(True, read_flag)
    #: The largest variant in a response, bytes. For a larger one, visitors are redirected to the storage or a CDN.
    #: None sends variants of any size.
    MAX_RESPONSE_BYTES: int | None = _setting(None, read_optional_positive)
    #: The most bytes of small variants in the memory of a process, for those requested again within a second. None keeps none.
    HOT_BYTES: int | None = _setting(16_000_000, read_optional_positive)
    #: The alias in `STORAGES` of the storage for variants of private sources. No web server or CDN may serve its files.
    PRIVATE_STORAGE: str = _setting("resizer-private", read_text)
    #: How long the signed URL of a private picture works at least, seconds. It works at most twice as long.
    PRIVATE_SECONDS: int = _setting(3600, read_positive)
    #: How an allowed visitor gets a private variant from the storage. "app" sends it by Django. A path is an internal location
    #: of nginx in front of `PRIVATE_STORAGE`, for `X-Accel-Redirect`. "presigned" redirects to a URL of a bucket, valid for
    #: a minute.
    PRIVATE_DELIVERY: str = _setting(BY_APP, read_delivery)
    #: Whether the app registers its own admin. With False, register `resizer.admin.CachedVariantMixin` and `OriginalMixin`
    #: with a base class of your own.
    ADMIN: bool = _setting(True, read_flag)

    def is_private(self, source: str) -> bool:
        """Whether the pictures of a source, by its alias, are for some visitors only."""
        entry = self.SOURCES.get(source)
        return entry is not None and entry.PRIVATE

    @property
    def listed_widths(self) -> tuple[int, ...]:
        """All widths of the three settings, px, in rising order. An original's own width is allowed as well."""
        return _merge_widths(self, "WIDTHS", "FIXED_WIDTHS", "EXACT_WIDTHS")

    def listed_width(self, width: int) -> int:
        """Round a width in px up to a listed one. A listed width stays as it is.

        Widths below the first of `WIDTHS` may round up to any listed width, others only to one of `WIDTHS`.
        Larger widths become the largest of `WIDTHS`.
        """
        if width in self.listed_widths:
            return width
        steps = (
            _merge_widths(self, "WIDTHS", "FIXED_WIDTHS") if width < self.WIDTHS[0] else self.WIDTHS
        )
        return next((step for step in steps if step > width), self.WIDTHS[-1])

    def quality_of(self, variant: Variant) -> int:
        """The quality of a variant, 1 to 100 on its encoder's scale. PNG ignores it, and so do LOSSLESS and AUTO.

        Raises KeyError for a level missing from `QUALITIES`; ask `has_quality` first.
        """
        quality = variant.recipe.quality or "medium"
        if isinstance(quality, int):
            return quality
        return self.QUALITIES[quality].get(variant.format.name, 100)

    def modern_formats(self, recipe: Recipe) -> tuple[Format, ...]:
        """`FORMATS`, but WebP alone for animations and lossless variants."""
        return self.FORMATS if recipe.suits(JPEG) else UNIVERSAL

    def has_quality(self, quality: str | int | None) -> bool:
        """Whether a recipe's quality exists. A level may have been removed from `QUALITIES`."""
        return not isinstance(quality, str) or quality in {*self.QUALITIES, AUTO, LOSSLESS}

    def may_write(self, target: Format, recipe: Recipe = Recipe()) -> bool:  # noqa: B008  # it is frozen
        """Whether variants of this recipe may have this format."""
        allowed = (*self.modern_formats(recipe), *FALLBACKS)
        return target in allowed and recipe.suits(target)

    def may_open(self, found: Format) -> bool:
        """Whether originals of this format are opened."""
        return not found.is_extra or found in self.EXTRA_FORMATS

    def may_move(self, frames: int, size: tuple[int, int]) -> bool:
        """Whether an original with this number of frames of (width, height) px may stay animated."""
        pixels = frames * size[0] * size[1]
        return 1 < frames <= MAX_FRAMES and pixels <= self.MAX_ANIMATION_PIXELS


@functools.lru_cache(maxsize=2)
def _merge_widths(settings: Settings, *names: str) -> tuple[int, ...]:
    return tuple(sorted({width for name in names for width in getattr(settings, name)}))


def read_settings(raw: object) -> tuple[Settings, list[Problem]]:
    """Read a `RESIZER` dict. A key with a problem gets its default. Raises nothing."""
    problems = []
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    if not isinstance(raw, Mapping):
        hint = 'Write RESIZER = {"WIDTHS": [320, 640]}, or leave it out.'
        problems.append(Problem("resizer.E002", "RESIZER is not a dict.", hint))
        raw = {}
    for key in raw:
        if key not in fields:
            problems.append(
                Problem(
                    "resizer.E001", f"RESIZER has an unknown key {key!r}.", _suggest(key, fields)
                )
            )
    values = {}
    for name, field in fields.items():
        read = field.metadata["read"]
        values[name] = read(field.metadata["default"])
        if name not in raw:
            continue
        try:
            values[name] = read(raw[name])
        except ValueError as error:
            problems.append(
                Problem(
                    "resizer.E002",
                    f"RESIZER[{name!r}] has a wrong value: {raw[name]!r}.",
                    f"It is {error}.",
                )
            )
    return Settings(**values), problems


def read_project() -> tuple[Settings, list[Problem]]:
    """Read the project's `RESIZER`. For code that runs despite problems; all other code uses `get_settings`."""
    from django.conf import settings

    return read_settings(getattr(settings, "RESIZER", {}))


@functools.cache
def get_settings() -> Settings:
    """The current settings. Raises ImproperlyConfigured, with the message and hint of the system check."""
    if _adopted:
        return _adopted[0]
    from django.core.exceptions import ImproperlyConfigured

    values, problems = read_project()
    if problems:
        raise ImproperlyConfigured(f"{problems[0].message} {problems[0].hint}")
    return values


def wants_admin() -> bool:
    """Whether to register the admin. Wrong settings are no reason against it: a system check reports them."""
    values, _problems = read_project()
    return values.ADMIN


#: The settings of a child process, which has no project. Holds at most one entry.
_adopted: list[Settings] = []


@functools.lru_cache(maxsize=1)
def adopt_settings(pickled: bytes) -> None:
    """Use the settings pickled by the parent process instead of the project's."""
    _adopted[:] = [pickle.loads(pickled)]
    get_settings.cache_clear()


def _suggest(key: object, choices: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(key).upper(), choices, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"The keys are {', '.join(choices)}. Use one of them, or remove this one."
