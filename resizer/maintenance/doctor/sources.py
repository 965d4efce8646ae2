"""Test the sources: open an original of each."""

from __future__ import annotations

import secrets
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from resizer.engines import get_engine
from resizer.errors import OriginalNotFound, ResizerError
from resizer.maintenance import presence
from resizer.maintenance.doctor.findings import Finding, Mark
from resizer.maintenance.doctor.patience import within
from resizer.maintenance.listing import may_be_picture
from resizer.records import index
from resizer.sources import get_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resizer.sources import Source

#: How many originals are tried until one can be opened …
TRIES = 5
#: … and how many listed names are searched for them.
LISTED = 1000
SOURCE_ADVICE = "Check its OPTIONS, its network and its permissions."


def examine_sources() -> Iterator[Finding]:
    for alias, source in get_sources().items():
        part = f"source {alias!r}"
        yield from within(part, partial(_source, part, alias, source))


def _source(part: str, alias: str, source: Source) -> Finding:
    mark, text = _try_source(alias, source)
    return Finding(mark, part, text)


def _try_source(alias: str, source: Source) -> tuple[Mark, str]:
    """Open a real original: a known one, else one from the listing."""
    known = index.newest_originals(alias, TRIES)
    names: list[str] | None = None
    refusal = None
    try:
        names = list(islice(presence.first_names(alias), LISTED))
    except NotImplementedError:
        pass
    except ResizerError as error:
        refusal = error
    pictures = [name for name in names or () if may_be_picture(name)]
    if names == []:
        if known:
            text = f"it is empty or missing, but it had {known[0]!r}. Is the disk mounted? Is it the right bucket?"
            return Mark.BROKEN, f"{text} Until this is fixed, resizer_purge keeps its variants."
        return Mark.ADVICE, "it is empty or missing, so no original could be opened. Add one."
    opened = _open_one(source, [*known, *pictures[:TRIES]])
    if refusal is not None and not isinstance(opened, str):
        return Mark.BROKEN, f"it does not respond: {refusal}. {SOURCE_ADVICE}"
    if isinstance(opened, ResizerError):
        return Mark.BROKEN, f"no original could be opened: {opened}. {SOURCE_ADVICE}"
    if opened is None:
        return _answer(source)
    if refusal is not None:
        text = f"opens {opened}, but cannot be listed: {refusal}. Permit listing, or its variants are never purged."
        return Mark.ADVICE, text
    loss = presence.loss(alias, index.sample_originals(alias, presence.ENOUGH))
    if loss is not None:
        text = f"opens {opened}, but {loss}. If you deleted them, run resizer_purge --force. Else restore them."
        return Mark.ADVICE, text
    return Mark.FINE, f"opens {opened}."


def _open_one(source: Source, names: list[str]) -> str | ResizerError | None:
    """Describe the first original that opens, else give the error of the last one. None without names."""
    failure = None
    for name in names:
        try:
            with source.open(name) as file:
                header = get_engine().read_header(file)
        except ResizerError as error:
            failure = error
            continue
        return f"{name!r} ({header.format.name}, {header.width} × {header.height} px)"
    return failure


def _answer(source: Source) -> tuple[Mark, str]:
    """Without a known original, ask the source for one that does not exist."""
    try:
        source.stat(f"resizer-doctor-{secrets.token_hex(8)}.png")
    except OriginalNotFound:
        pass
    except ResizerError as error:
        return Mark.BROKEN, f"it does not respond: {error}. {SOURCE_ADVICE}"
    return Mark.FINE, "it responds. None of its originals is known yet."
