"""The settings of the app: `RESIZER` in the project's settings, typed, every key optional.

A child process has no project, and starts a quarter faster without Django, so that is imported where it is needed.
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
    #: The short addresses work for it, unsigned.
    OPEN: bool = False


#: No animation that anybody watches has more frames; each costs time, however small it is.
MAX_FRAMES = 5000


class Problem(NamedTuple):
    """What is wrong with the settings, for a system check."""

    id: str
    message: str
    hint: str


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text that is not empty")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list of texts")
    return tuple(_text(entry) for entry in value)


def _positive(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("a whole number from 1 up")
    return value


def _optional_positive(value: object) -> int | None:
    return None if value is None else _positive(value)


def _widths(value: object) -> tuple[int, ...]:
    expected = ValueError("a list of 1 to 32 widths from 1 to 16384, each once, in rising order")
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 32:
        raise expected
    if not all(isinstance(width, int) and 1 <= width <= 16_384 for width in value):
        raise expected
    if sorted(set(value)) != list(value):
        raise expected
    return tuple(value)


def _formats(value: object) -> tuple[Format, ...]:
    # The fallbacks are offered anyway, and would hide each other.
    choices = [row.name for row in MODERN]
    if not isinstance(value, (list, tuple)) or any(name not in choices for name in value):
        raise ValueError(f"a list of {', '.join(choices)}, best first; it may be empty")
    return tuple(BY_NAME[name] for name in value)


def _extra_formats(value: object) -> tuple[Format, ...]:
    choices = [name for name, row in BY_NAME.items() if row.is_extra]
    if not isinstance(value, (list, tuple)) or any(name not in choices for name in value):
        raise ValueError(f"a list of {', '.join(choices)}; it may be empty")
    return tuple(BY_NAME[name] for name in value)


def _qualities(value: object) -> Mapping[str, Mapping[str, int]]:
    expected = ValueError(
        'levels such as {"high": {"avif": 72}}: names of up to 16 small letters, formats, numbers from 1 to 100'
    )
    if not isinstance(value, Mapping):
        raise expected
    levels = dict(DEFAULT_QUALITIES)
    for level, numbers in value.items():
        if not isinstance(level, str) or not re.fullmatch("[a-z]{1,16}", level):
            raise expected
        if level in {AUTO, LOSSLESS}:
            raise ValueError(
                f"levels of other names than {level!r}, which has a meaning of its own"
            )
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


def _sources(value: object) -> Mapping[str, SourceSettings]:
    expected = ValueError(
        'sources such as {"default": {"BACKEND": …, "OPTIONS": {…}, "OPEN": False}};'
        " an alias is made of letters, digits, - and _"
    )
    if not isinstance(value, Mapping):
        raise expected
    # Media files stay a source when others are added; who does not want that replaces "default".
    sources = {DEFAULT_SOURCE: SourceSettings()}
    for alias, entry in value.items():
        if not isinstance(alias, str) or not re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", alias):
            raise expected
        if not isinstance(entry, Mapping) or not set(entry) <= {"BACKEND", "OPTIONS", "OPEN"}:
            raise expected
        if not isinstance(entry.get("BACKEND", ""), str):
            raise expected
        if not isinstance(entry.get("OPTIONS", {}), Mapping):
            raise expected
        # Not "False", which is true, and would open what is meant to be closed.
        if not isinstance(entry.get("OPEN", False), bool):
            raise expected
        sources[alias] = SourceSettings(**entry)
    return sources


DEFAULT_QUALITIES: Mapping[str, Mapping[str, int]] = {
    level: {row.name: getattr(row.levels, level) for row in FORMATS if row.levels}
    for level in Levels._fields
}


def _setting(default: object, read: Callable[[Any], object]) -> Any:
    """One key of `RESIZER`: its default as a project would write it, and the function that reads it."""
    return dataclasses.field(metadata={"default": default, "read": read})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settings:
    """`RESIZER`, read. Compared by identity: a change of settings makes another object."""

    #: Where originals are read from, by alias; template and Python write "alias:name".
    SOURCES: Mapping[str, SourceSettings] = _setting({}, _sources)
    #: Dotted path of the class that makes pixels; "auto" is libvips where it imports, else Pillow.
    ENGINE: str = _setting("auto", _text)
    #: It works in child processes, which can be killed; where the platform isolates requests, that is not needed.
    ISOLATION: bool = _setting(True, _flag)
    #: How many seconds of a core a header or a variant may take before its child process is killed.
    RENDER_SECONDS: int = _setting(10, _positive)
    #: The alias in `STORAGES` of the storage that keeps the variants.
    STORAGE: str = _setting("resizer", _text)
    #: The alias in `CACHES` of what remembers originals and variants; losing it costs time only.
    CACHE: str = _setting("default", _text)
    #: The widths of fluid pictures, px.
    WIDTHS: tuple[int, ...] = _setting(
        (320, 480, 640, 800, 1080, 1200, 1366, 1600, 1920, 2560), _widths
    )
    #: More widths, for icons and avatars, px.
    FIXED_WIDTHS: tuple[int, ...] = _setting(
        (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512), _widths
    )
    #: The most device pixels for a CSS pixel that a picture of a given width offers.
    MAX_DENSITY: int = _setting(2, _positive)
    #: Modern formats to offer, best first; JPEG or PNG is always there for the rest.
    FORMATS: tuple[Format, ...] = _setting(("avif",), _formats)
    #: Formats of originals to open beside the usual ones: "heic", which needs pi-heif, and "tiff".
    EXTRA_FORMATS: tuple[Format, ...] = _setting((), _extra_formats)
    #: Levels of quality, a number for each format on its encoder's own scale; "medium" is the default.
    QUALITIES: Mapping[str, Mapping[str, int]] = _setting({}, _qualities)
    #: What variants keep of their original's metadata: "none", or "copyright", which is that and the creator.
    METADATA: str = _setting("none", _metadata)
    #: The `sizes` attribute of a picture for which the template gives none.
    SIZES: str = _setting("100vw", _text)
    #: Signs addresses; None is `SECRET_KEY`, and its fallbacks.
    SIGNING_KEY: str | None = _setting(None, _optional_text)
    #: Former keys whose addresses still work.
    SIGNING_KEY_FALLBACKS: tuple[str, ...] = _setting((), _texts)
    #: How long an image request trusts what is known of an original, seconds.
    FRESH_SECONDS: int = _setting(300, _positive)
    #: How long a request waits, for another that makes the same variant and for its turn to render, seconds.
    LOCK_SECONDS: int = _setting(30, _positive)
    #: Where the processes of a machine lock files; None is a directory of their own among the temporary files.
    LOCK_DIRECTORY: str | None = _setting(None, _optional_text)
    #: How many renders run at once on a machine; None is one for each core.
    MAX_RENDERS: int | None = _setting(None, _optional_positive)
    #: What they take together, megabytes; None is half of the memory of the machine, or of its container.
    MAX_RENDER_MEGABYTES: int | None = _setting(None, _optional_positive)
    #: How many wait for their turn; any more are refused at once. None is 16 for each core.
    MAX_WAITING: int | None = _setting(None, _optional_positive)
    #: How many threads of one process make variants, or wait for them; more requests are refused at once. None leaves a
    #: quarter of a pool of threads free for stored variants, and bounds no server that starts a thread for each request.
    MAX_WAITING_PER_PROCESS: int | None = _setting(None, _optional_positive)
    #: How many fetches from one host of the web run at once on a machine; any more wait for a second. None is 8 for
    #: each core, and no more than 4 in one process.
    MAX_FETCHES: int | None = _setting(None, _optional_positive)
    #: The largest file of an original, bytes.
    MAX_BYTES: int = _setting(50_000_000, _positive)
    #: The largest original, px. A baseline JPEG is decoded small, whatever its size.
    MAX_PIXELS: int = _setting(100_000_000, _positive)
    #: What an original of any other kind may take decoded, megabytes: it has to be whole, at 4 to 19 bytes a pixel.
    MAX_DECODED_MEGABYTES: int = _setting(512, _positive)
    #: The largest picture that may move, px of all its frames together; a larger one stands still.
    MAX_ANIMATION_PIXELS: int = _setting(50_000_000, _positive)
    #: The largest variant, px: encoders take up to 30 bytes a pixel.
    MAX_VARIANT_PIXELS: int = _setting(25_000_000, _positive)
    #: The largest variant that is answered, bytes; to a larger one visitors are redirected. None answers all.
    MAX_ANSWER_BYTES: int | None = _setting(None, _optional_positive)

    @property
    def listed_widths(self) -> tuple[int, ...]:
        """All widths that may be asked for, in rising order; an original's own is allowed as well."""
        return _merge_widths(self)

    def listed_width(self, width: int) -> int:
        """A listed width itself, else the next up: of `WIDTHS`, or of all below those; or the largest of `WIDTHS`."""
        if width in self.listed_widths:
            return width
        steps = self.listed_widths if width < self.WIDTHS[0] else self.WIDTHS
        return next((step for step in steps if step > width), self.WIDTHS[-1])

    def quality_of(self, variant: Variant) -> int:
        """1 to 100, on the scale of the format's encoder; means nothing to PNG, and to what is LOSSLESS or AUTO."""
        quality = variant.recipe.quality or "medium"
        if isinstance(quality, int):
            return quality
        return self.QUALITIES[quality].get(variant.format.name, 100)

    def modern_formats(self, recipe: Recipe) -> tuple[Format, ...]:
        """`FORMATS`; WebP for an animation, and where nothing may be lost."""
        return self.FORMATS if recipe.suits(JPEG) else UNIVERSAL

    def has_quality(self, quality: str | int | None) -> bool:
        """Whether a recipe's quality means anything here; a level may have left `QUALITIES`."""
        return not isinstance(quality, str) or quality in {*self.QUALITIES, AUTO, LOSSLESS}

    def may_write(self, target: Format, recipe: Recipe = Recipe()) -> bool:  # noqa: B008  # it is frozen
        allowed = (*self.modern_formats(recipe), *FALLBACKS)
        return target in allowed and recipe.suits(target)

    def may_open(self, found: Format) -> bool:
        return not found.is_extra or found in self.EXTRA_FORMATS

    def may_move(self, frames: int, size: tuple[int, int]) -> bool:
        """Whether an original of so many frames of (width, height) px is shown moving."""
        pixels = frames * size[0] * size[1]
        return 1 < frames <= MAX_FRAMES and pixels <= self.MAX_ANIMATION_PIXELS


@functools.lru_cache(maxsize=1)
def _merge_widths(settings: Settings) -> tuple[int, ...]:
    return tuple(sorted({*settings.WIDTHS, *settings.FIXED_WIDTHS}))


def read_settings(raw: object) -> tuple[Settings, list[Problem]]:
    """Read a `RESIZER` dict; a key with a problem falls back to its default."""
    problems = []
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    if not isinstance(raw, Mapping):
        problems.append(Problem("resizer.E002", "RESIZER is not a dict.", "Make it a dict."))
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


@functools.cache
def get_settings() -> Settings:
    """The settings in force. Raises ImproperlyConfigured, in the words of the system check."""
    if _adopted:
        return _adopted[0]
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    values, problems = read_settings(getattr(settings, "RESIZER", {}))
    if problems:
        raise ImproperlyConfigured(f"{problems[0].message} {problems[0].hint}")
    return values


#: At most one: what is in force in a process that has no project.
_adopted: list[Settings] = []


@functools.lru_cache(maxsize=1)
def adopt_settings(pickled: bytes) -> None:
    """Have these in force, as our parent process has pickled them, whatever the project's are."""
    _adopted[:] = [pickle.loads(pickled)]
    get_settings.cache_clear()


def _suggest(key: object, choices: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(key).upper(), choices, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"The keys are {', '.join(choices)}."
