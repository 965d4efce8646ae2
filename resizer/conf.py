"""The settings of the app: `RESIZER` in the project's settings, typed. Every key is optional.

Django is imported inside functions. A child process has no project, and starts a quarter faster without Django.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from resizer.formats import BY_NAME, FALLBACKS, FORMATS, JPEG, MODERN, UNIVERSAL, Format, Levels
from resizer.keys.variant import AUTO, DEFAULT_SOURCE, LOSSLESS, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resizer.keys.variant import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One entry of `SOURCES`, spelled like one of Django's `STORAGES`."""

    BACKEND: str = "resizer.sources.StorageSource"
    OPTIONS: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    #: Whether short, unsigned URLs work for this source. With True, everybody can load its originals as variants.
    OPEN: bool = False
    #: Whether its pictures are for some visitors only. Then Django answers each request, and decides.
    PRIVATE: bool = False
    #: Dotted path of a function `f(request, reference) -> bool`, which decides. None decides by a signed URL that expires.
    ALLOW: str | None = None


#: The most frames of an animation. Each frame costs time, even a small one. More frames show a still picture.
MAX_FRAMES = 5000
#: The alias of the variants storage, unless `STORAGE` names another. Only this one may be missing in `STORAGES`.
VARIANTS_ALIAS = "resizer"
#: `PRIVATE_DELIVERY`: the app sends private variants itself.
BY_APP = "app"
#: `PRIVATE_DELIVERY`: the app redirects to a URL signed by the storage.
BY_STORAGE = "presigned"
#: The entry in `MIDDLEWARE`.
OUR_MIDDLEWARE = "resizer.middleware.ResizerMiddleware"


class Problem(NamedTuple):
    """One mistake in the settings, for a system check."""

    id: str
    message: str
    hint: str


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a string with at least one character")
    return value


def read_sizes(value: object) -> str:
    """A `sizes` attribute. Raises ValueError for lengths that it cannot have (HTML §4.8.4.2.2)."""
    text = _text(value)
    if "%" in text:
        raise ValueError('in vw or px, such as "50vw". Percent has no meaning there')
    if re.search(r"(?:^|[\s,])[0-9.]*[1-9][0-9.]*\s*(?:,|$)", text):
        raise ValueError('in vw or px, such as "600px". A number needs a unit')
    return text


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list of strings")
    return tuple(_text(entry) for entry in value)


def _positive(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("a whole number, 1 or more")
    return value


def _warming(value: object) -> tuple[str, ...]:
    """Names of presets; the empty name is a tag without a preset."""
    if isinstance(value, bool):
        return ("",) if value else ()
    if not isinstance(value, (list, tuple)):
        raise ValueError("True, False or a list of presets")
    return _texts(value)


def _optional_positive(value: object) -> int | None:
    return None if value is None else _positive(value)


def _widths(value: object) -> tuple[int, ...]:
    expected = ValueError(
        "a list of 1 to 32 widths in rising order, each from 1 to 16384 px, without duplicates"
    )
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 32:
        raise expected
    if not all(isinstance(width, int) and 1 <= width <= 16_384 for width in value):
        raise expected
    if sorted(set(value)) != list(value):
        raise expected
    return tuple(value)


def _exact_widths(value: object) -> tuple[int, ...]:
    return () if value in ([], ()) else _widths(value)


def _formats(value: object) -> tuple[Format, ...]:
    # JPEG and PNG are always offered. In this list, one would hide the other.
    choices = [row.name for row in MODERN]
    if not isinstance(value, (list, tuple)) or any(name not in choices for name in value):
        raise ValueError(f"a list of any of {', '.join(choices)}, best first. It may be empty")
    return tuple(BY_NAME[name] for name in value)


def _extra_formats(value: object) -> tuple[Format, ...]:
    choices = [name for name, row in BY_NAME.items() if row.is_extra]
    if not isinstance(value, (list, tuple)) or any(name not in choices for name in value):
        raise ValueError(f"a list of any of {', '.join(choices)}. It may be empty")
    return tuple(BY_NAME[name] for name in value)


def _qualities(value: object) -> Mapping[str, Mapping[str, int]]:
    expected = ValueError(
        'a dict such as {"high": {"avif": 72}}. A level has 1 to 16 lowercase letters,'
        f" a format is one of {', '.join(DEFAULT_QUALITIES['medium'])}, and a number is from 1 to 100"
    )
    if not isinstance(value, Mapping):
        raise expected
    levels = dict(DEFAULT_QUALITIES)
    for level, numbers in value.items():
        if not isinstance(level, str) or not re.fullmatch("[a-z]{1,16}", level):
            raise expected
        if level in {AUTO, LOSSLESS}:
            raise ValueError(f"a dict of levels. {level!r} is reserved: use another name")
        if not isinstance(numbers, Mapping) or not set(numbers) <= set(levels["medium"]):
            raise expected
        if not all(isinstance(number, int) and 1 <= number <= 100 for number in numbers.values()):
            raise expected
        levels[level] = {**levels.get(level, levels["medium"]), **numbers}
    return levels


def _metadata(value: object) -> str:
    if value == "none" or value == "copyright":
        return value
    raise ValueError('"none" or "copyright"')


def _host(value: object) -> str | None:
    if value is None or value == "":
        return value
    pattern = r"https?://(?:[a-z0-9_](?:[a-z0-9_\-.]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?/?"
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError(
            'scheme and host in small letters, without a path, such as "https://img.example.com".'
            ' Use "" for none'
        )
    return value.removesuffix("/")


def _allow_origin(value: object) -> str | None:
    if value == "*" and isinstance(value, str):
        return value
    try:
        return _host(value) or None
    except ValueError:
        raise ValueError('"*", or one origin such as "https://www.example.com"') from None


def _delivery(value: object) -> str:
    """A path becomes one that a key can follow."""
    if value in (BY_APP, BY_STORAGE):
        return str(value)
    if not isinstance(value, str) or not re.fullmatch(r"/[A-Za-z0-9/_.\-]*[A-Za-z0-9_\-]/?", value):
        raise ValueError(
            f'"{BY_APP}", "{BY_STORAGE}", or the path of an internal location of nginx, such as "/private-variants/"'
        )
    return f"{value.removesuffix('/')}/"


def _source(entry: object) -> SourceSettings:
    expected = ValueError(
        'a dict such as {"default": {"BACKEND": "dotted.path", "OPTIONS": {}, "OPEN": False}}.'
        " An alias has 1 to 64 letters, digits, - and _. OPEN and PRIVATE are True or False, ALLOW is a dotted path"
    )
    names = {field.name for field in dataclasses.fields(SourceSettings)}
    if not isinstance(entry, Mapping) or not set(entry) <= names:
        raise expected
    if not isinstance(entry.get("BACKEND", ""), str):
        raise expected
    if not isinstance(entry.get("OPTIONS", {}), Mapping):
        raise expected
    # The string "False" counts as true, and would open a source that should be closed.
    if not all(isinstance(entry.get(name, False), bool) for name in ("OPEN", "PRIVATE")):
        raise expected
    if not isinstance(entry.get("ALLOW"), str | None) or entry.get("ALLOW") == "":
        raise expected
    source = SourceSettings(**entry)
    if source.OPEN and source.PRIVATE:
        raise ValueError(
            "a dict of sources. A source cannot be both OPEN and PRIVATE: remove one of them"
        )
    if source.ALLOW and not source.PRIVATE:
        raise ValueError(
            "a dict of sources. ALLOW decides about private sources only: set PRIVATE to True"
        )
    return source


def _sources(value: object) -> Mapping[str, SourceSettings]:
    expected = ValueError(
        'a dict such as {"default": {"BACKEND": "dotted.path"}}.'
        " An alias has 1 to 64 letters, digits, - and _"
    )
    if not isinstance(value, Mapping):
        raise expected
    # Media files stay a source when you add others. To change that, replace "default".
    sources = {DEFAULT_SOURCE: SourceSettings()}
    for alias, entry in value.items():
        if not isinstance(alias, str) or not re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", alias):
            raise expected
        sources[alias] = _source(entry)
    return sources


#: Names that belong to one picture, or are set by the tag.
_NOT_IN_PRESETS = frozenset({"alt", "attributes", "preset", "src", "srcset"})


def _defaults(value: object) -> Mapping[str, Any]:
    expected = ValueError('a dict of options and attributes, such as {"quality": "high"}')
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise expected
    wrong = sorted(_NOT_IN_PRESETS & value.keys())
    if wrong:
        raise ValueError(
            f"a dict of options and attributes without {wrong[0]}, which belongs into the tag"
        )
    return dict(value)


def _presets(value: object) -> Mapping[str, Mapping[str, Any]]:
    """Presets by name. Those that extend others have the entries of the others too."""
    expected = ValueError(
        'a dict such as {"card": {"width": 400, "ratio": "3/2"}}. A name has 1 to 64 letters, digits, - and _.'
        ' An entry may extend another: {"large": {"extends": "card", "width": 800}}'
    )
    if not isinstance(value, Mapping):
        raise expected
    for name, entry in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", name):
            raise expected
        if not isinstance(entry, Mapping):
            raise expected
    return {name: _defaults(_extended(name, value, ())) for name in value}


def _extended(name: str, presets: Mapping[str, Any], below: tuple[str, ...]) -> dict[str, Any]:
    """A preset with what it extends. `below` are the presets that extend it, first to last."""
    if name in below:
        raise ValueError(f"a dict of presets. {' extends '.join((*below, name))}: that has no end")
    entry = dict(presets[name])
    other = entry.pop("extends", None)
    if other is None:
        return entry
    if other not in presets:
        raise ValueError(f"a dict of presets. {name!r} extends {other!r}, which is unknown")
    return {**_extended(other, presets, (*below, name)), **entry}


DEFAULT_QUALITIES: Mapping[str, Mapping[str, int]] = {
    level: {row.name: getattr(row.levels, level) for row in FORMATS if row.levels}
    for level in Levels._fields
}


def _setting(default: object, read: Callable[[Any], object]) -> Any:
    """One key of `RESIZER`: its default as a project writes it, and the function that reads it.

    `read` raises ValueError with the expected value, for a hint that begins with "It is".
    """
    return dataclasses.field(metadata={"default": default, "read": read})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settings:
    """The values of `RESIZER`. Instances are compared by identity: a change of settings makes a new one."""

    #: The sources of originals, by alias. Templates and Python name an original "alias:name".
    SOURCES: Mapping[str, SourceSettings] = _setting({}, _sources)
    #: Dotted path of the engine class. "auto" takes libvips if it can be imported, else Pillow.
    ENGINE: str = _setting("auto", _text)
    #: Whether the engine works in child processes, which can be killed. Use False if the platform isolates requests.
    ISOLATION: bool = _setting(True, _flag)
    #: CPU time for one header or one variant, seconds. After that, the child process is killed.
    RENDER_SECONDS: int = _setting(10, _positive)
    #: The alias in `STORAGES` of the variants storage.
    STORAGE: str = _setting(VARIANTS_ALIAS, _text)
    #: The alias in `CACHES` of the cache for originals and variants. Losing its content costs only time.
    CACHE: str = _setting("default", _text)
    #: Widths of fluid pictures, px, in rising order.
    WIDTHS: tuple[int, ...] = _setting(
        (320, 480, 640, 720, 800, 1080, 1200, 1366, 1600, 1920, 2560), _widths
    )
    #: More widths, for icons and avatars, px, in rising order.
    FIXED_WIDTHS: tuple[int, ...] = _setting(
        (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512), _widths
    )
    #: Widths only for pictures of exactly that width, or of a half or a third of it, px, in rising order. Others never
    #: round up to them.
    EXACT_WIDTHS: tuple[int, ...] = _setting((), _exact_widths)
    #: The widest candidate of a picture with `width`, as a multiple of that width. On a narrow screen it may be denser.
    WIDTH_DENSITY: int = _setting(2, _positive)
    #: Widths of windows at which `columns` counts one more column, CSS px, in rising order.
    BREAKPOINTS: tuple[int, ...] = _setting((768, 1024, 1280, 1536), _widths)
    #: Whether pages link an SVG as it is. With False they print nothing for it.
    SHOW_SVG: bool = _setting(True, _flag)
    #: Modern formats to offer, best first. JPEG or PNG is always offered too.
    FORMATS: tuple[Format, ...] = _setting(("avif",), _formats)
    #: More formats of originals to open: "heic" (needs pi-heif) and "tiff".
    EXTRA_FORMATS: tuple[Format, ...] = _setting((), _extra_formats)
    #: Levels of quality. Each level has a number for each format, on its encoder's scale, 1 to 100. "medium" is the default.
    QUALITIES: Mapping[str, Mapping[str, int]] = _setting({}, _qualities)
    #: The metadata to copy into variants. "none" copies nothing, "copyright" the copyright notice and the creator.
    METADATA: str = _setting("none", _metadata)
    #: The `sizes` attribute of a picture if the template gives none.
    SIZES: str = _setting("100vw", read_sizes)
    #: Scheme and host before the URLs of pictures on pages, such as "https://img.example.com". None takes the
    #: `custom_domain` of the variants storage, if its `location` is the path of the app's URLs. "" prints paths.
    HOST: str | None = _setting(None, _host)
    #: The origin whose scripts may read pictures, as `Access-Control-Allow-Origin`: "*", or one such as
    #: "https://www.example.com". None allows no other origin.
    ALLOW_ORIGIN: str | None = _setting(None, _allow_origin)
    #: Options and attributes of all pictures. Those of a preset win, and those of a tag.
    DEFAULTS: Mapping[str, Any] = _setting({}, _defaults)
    #: Options and attributes with a name, for `preset="name"`. `extends` names another preset.
    PRESETS: Mapping[str, Mapping[str, Any]] = _setting({}, _presets)
    #: The presets whose variants a task makes after a model's image was saved. True is the tag without a preset.
    WARM_ON_SAVE: tuple[str, ...] = _setting(False, _warming)
    #: The key that signs URLs. None uses `SECRET_KEY` and its fallbacks.
    SIGNING_KEY: str | None = _setting(None, _optional_text)
    #: Former signing keys. URLs signed with them still work.
    SIGNING_KEY_FALLBACKS: tuple[str, ...] = _setting((), _texts)
    #: How long an image request trusts the known state of an original before it asks the source again, seconds.
    FRESH_SECONDS: int = _setting(300, _positive)
    #: How long a request waits for its turn to render, or for another request rendering the same variant, seconds.
    LOCK_SECONDS: int = _setting(30, _positive)
    #: Directory for the lock files of all processes of a machine. It must be local, and nobody else may write into it.
    #: None makes one in the temporary directory.
    LOCK_DIRECTORY: str | None = _setting(None, _optional_text)
    #: The most concurrent renders on a machine. None is one for each core.
    MAX_RENDERS: int | None = _setting(None, _optional_positive)
    #: The memory of all concurrent renders together, megabytes. None is half of the machine's or container's memory.
    MAX_RENDER_MEGABYTES: int | None = _setting(None, _optional_positive)
    #: The most renders waiting for their turn. More get 503 at once. None is 16 for each core.
    MAX_WAITING: int | None = _setting(None, _optional_positive)
    #: The most threads of one process that make variants or wait for them. More requests get 503 at once.
    #: None leaves a quarter of a thread pool free for stored variants. A small pool may use all its threads.
    #: None sets no limit for a server with one thread for each request.
    MAX_WAITING_PER_PROCESS: int | None = _setting(None, _optional_positive)
    #: The most concurrent fetches of one process from one web host or one remote storage. Two more wait for one second.
    #: Others get 503.
    MAX_FETCHES: int = _setting(4, _positive)
    #: The largest file of an original, bytes.
    MAX_BYTES: int = _setting(50_000_000, _positive)
    #: The largest original, width × height in px.
    MAX_PIXELS: int = _setting(100_000_000, _positive)
    #: The most memory for decoding one original, megabytes. A baseline JPEG is decoded at a reduced size and needs
    #: little. Other originals are decoded whole, at 4 to 19 bytes for each pixel.
    MAX_DECODED_MEGABYTES: int = _setting(512, _positive)
    #: The largest animation, px of all frames together. A larger one becomes a still picture.
    MAX_ANIMATION_PIXELS: int = _setting(50_000_000, _positive)
    #: The largest variant, width × height in px. Encoders take up to 30 bytes for each pixel.
    MAX_VARIANT_PIXELS: int = _setting(25_000_000, _positive)
    #: Store a new variant after its response. Use False if nothing runs after a response, as on AWS Lambda.
    RESPOND_FIRST: bool = _setting(True, _flag)
    #: The largest variant in a response, bytes. For a larger one, visitors are redirected to the storage or a CDN.
    #: None sends variants of any size.
    MAX_ANSWER_BYTES: int | None = _setting(None, _optional_positive)
    #: The alias in `STORAGES` of the storage for variants of private sources. No web server or CDN may serve its files.
    PRIVATE_STORAGE: str = _setting("resizer-private", _text)
    #: How long the signed URL of a private picture works at least, seconds. It works at most twice as long.
    PRIVATE_SECONDS: int = _setting(3600, _positive)
    #: How an allowed visitor gets a private variant from the storage. "app" sends it by Django. A path is an internal location
    #: of nginx in front of `PRIVATE_STORAGE`, for `X-Accel-Redirect`. "presigned" redirects to a URL of a bucket, valid for
    #: a minute.
    PRIVATE_DELIVERY: str = _setting(BY_APP, _delivery)
    #: Whether the app registers its own admin. With False, register `resizer.admin.CachedVariantMixin` and `OriginalMixin`
    #: with a base class of your own.
    ADMIN: bool = _setting(True, _flag)

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
