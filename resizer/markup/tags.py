"""A tag, in whichever template language: its options, and what happens to wrong ones.

Names and literals come from the author of the template, and are strict: they are checked when it compiles.
Values of variables come from data. A wrong one raises with DEBUG. In production it is left out and logged once, because
an editor may have entered it, and a visitor's page must not fail.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings

from resizer.markup.mistakes import listed_options, mistaken_option, mistaken_original, tell_once
from resizer.markup.options import is_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

#: Options of which any value is right.
_FREE = frozenset({"alt"})


def keyword_names(*functions: Callable[..., object]) -> frozenset[str]:
    """The names of keyword-only parameters: the options that the functions take."""
    parameters = (one for each in functions for one in inspect.signature(each).parameters.values())
    return frozenset(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)


#: What HTML knows of attributes. A browser takes another word for the default, and loads a picture at another time.
_VALUES = {
    "loading": ("lazy", "eager"),
    "decoding": ("async", "sync", "auto"),
    "fetchpriority": ("high", "low", "auto"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag. `make` and `check` raise ValueError for a wrong value of an option, with the choices."""

    name: str
    #: Called with an original and with options; with `attributes` too, if the tag takes them.
    make: Callable[..., Any]
    #: Checks some options without an original.
    check: Callable[..., object]
    options: frozenset[str]
    takes_attributes: bool = False
    #: Options that an original named in the template itself needs, each with the reason.
    required: Mapping[str, str] = field(default_factory=dict)
    #: Options of other tags that change nothing here.
    needless: frozenset[str] = frozenset()
    #: Attributes set by the tag itself.
    own: frozenset[str] = frozenset()
    #: Advice for names of other options.
    advice: Mapping[str, str] = field(default_factory=dict)

    def check_names(self, names: Collection[str]) -> None:
        """Raises ValueError for an unknown and a misspelt name."""
        for name in names:
            if name.lower() in self.own:
                raise ValueError(f"{self.name} sets {name} itself. Remove it.")
            if name not in self.options:
                self._check_other(name)

    def _check_other(self, name: str) -> None:
        advice = self.advice.get(name) or mistaken_option(name, self.options)
        if not advice and name in self.needless:
            advice = "Leave it out."
        if not advice and not self.takes_attributes:
            advice = listed_options(self.options)
        if advice:
            raise ValueError(f"{self.name} has no option {name}. {advice}")

    def check_literals(self, literals: Mapping[str, object], names: Collection[str]) -> None:
        """Raises ValueError for a wrong value written in the template itself. `names` are those of all its values."""
        try:
            for name in _VALUES.keys() & literals.keys():
                _check_value(name, literals[name])
            if not is_nothing(literals.get("priority")):
                _check_priority(literals)
            # A value that is known only in a context is given, and may be right.
            self.check(**{name: literals.get(name) for name in names if name in self.options})
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error

    def check_original(self, literal: object, names: Collection[str]) -> None:
        """Raises ValueError for a URL, a path or an unknown source written in the template itself.

        And for a missing option: no model has a field for it.
        """
        for name, reason in self.required.items():
            if name not in names:
                raise ValueError(f'{self.name} needs {name}="…". {reason}')
        problem = mistaken_original(literal)
        if problem:
            raise ValueError(f"{self.name}: {problem}")

    def run(
        self,
        original: Any,
        options: dict[str, Any],
        attributes: Mapping[str, Any],
        *,
        data: Iterable[str],
        place: str = "",
    ) -> Any:
        """The result of the tag. `data` names the options from variables, `place` is where the template has the tag."""
        try:
            return self._make(original, options, attributes)
        except ValueError as error:
            kept = self.without_wrong(options, data, error, place)
        return self._make(original, kept, attributes)

    def _make(
        self, original: Any, options: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> Any:
        if self.takes_attributes:
            return self.make(original, attributes=attributes, **options)
        return self.make(original, **options)

    def without_wrong(
        self, options: Mapping[str, Any], data: Iterable[str], error: ValueError, place: str = ""
    ) -> dict[str, Any]:
        """The options without wrong ones from variables. Logs the error once; raises it with DEBUG."""
        if django_settings.DEBUG:
            raise error
        suspects = [name for name in data if name not in _FREE]
        wrong = {name for name in suspects if not self._is_right({name: options[name]})}
        if not wrong or not self._is_right({**options, **dict.fromkeys(wrong)}):
            # Each is right on its own, but not together.
            wrong = set(suspects)
        if not wrong:
            raise error
        names = ", ".join(sorted(wrong))
        tell_once(f"{self.name}{place} ignores {names} from a variable: {str(error)[:500]}")
        return {**options, **dict.fromkeys(wrong)}

    def tell_unquoted(self, name: str, word: str, place: str) -> None:
        """Log an option whose value is the name of no variable, but would be right in quotes, such as `quality=high`."""
        if self._is_right({name: word}) and not self._is_right({name: "?"}):
            tell_once(
                f'{self.name}{place} ignores {name}={word}: there is no such variable. Write {name}="{word}",'
                " or pass it to the template.",
                logging.WARNING,
            )

    def _is_right(self, options: Mapping[str, Any]) -> bool:
        try:
            self.check(**options)
        except ValueError:
            return False
        return True


def _check_priority(literals: Mapping[str, object]) -> None:
    """Raises ValueError for attributes that contradict `priority=True`."""
    for name, value in (("loading", "lazy"), ("fetchpriority", "low"), ("fetchpriority", "auto")):
        if literals.get(name) == value:
            raise ValueError(f'priority=True and {name}="{value}" are given. Remove one.')


def _check_value(name: str, value: object) -> None:
    # None and False print no attribute.
    if isinstance(value, str) and value.lower() not in _VALUES[name]:
        raise ValueError(f"{name}={value!r} is unknown. Use one of {', '.join(_VALUES[name])}.")
