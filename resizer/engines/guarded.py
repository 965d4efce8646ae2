"""If an engine fails on a good original, another engine goes on, and the log says so."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from resizer.engines import load_engine
from resizer.engines.sharing import can_sketch, plan_view
from resizer.errors import EngineFailed, ResizerError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import BinaryIO

    from resizer.engines.protocol import Engine, Header, Rendered, Sketch
    from resizer.formats import Format
    from resizer.keys.variant import Variant

logger = logging.getLogger(__name__)


class GuardedEngine:
    """Wraps an engine. Raises EngineFailed if it raises another error than a ResizerError, and has no fallback.

    An engine's class may name its fallback in `other`, by a dotted path. Derived classes do not inherit it: the fallback
    would not do their additional work.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def can_read(self, found: Format) -> bool:
        return self._engine.can_read(found)

    def can_write(self, target: Format) -> bool:
        return self._engine.can_write(target)

    def read_header(self, file: BinaryIO) -> Header:
        with _reported(self._engine):
            return self._engine.read_header(file)

    def render_with_sketch(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered | Sketch]:
        """Render variants, and then a sketch. No sketch of an original too narrow for one."""
        if not can_sketch(header):
            yield from self.render(file, header, variants)
            return
        rendering = self.render(file, header, [*variants, plan_view(header, variants[0])])
        yield from islice(rendering, len(variants))
        # Not before it is needed: it imports Pillow.
        from resizer.engines.sketching import sketch

        # One, or none of an engine of another project that leaves it out.
        for view in rendering:
            with _reported(self._engine):
                seen = sketch(view.content, has_alpha=header.has_alpha)
            yield seen

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        done = 0
        try:
            for rendered in self._engine.render(file, header, variants):
                done += 1
                yield rendered
            return
        except ResizerError:
            raise
        except Exception as error:
            failed = _report(self._engine, error)
            other = self._load_other(header)
            if other is None:
                raise failed from error
        logger.warning("%s goes on", type(other).__name__)
        with _reported(other):
            yield from other.render(file, header, variants[done:])

    def _load_other(self, header: Header) -> Engine | None:
        path = vars(type(self._engine)).get("other")
        # Only Pillow reads the other formats; there is no fallback for them.
        if path is None or not header.format.libvips_loader:
            return None
        try:
            return load_engine(path)
        except (ImportError, OSError):
            # It is not installed.
            return None


@contextmanager
def _reported(engine: Engine) -> Iterator[None]:
    try:
        yield
    except ResizerError:
        raise
    except Exception as error:
        raise _report(engine, error) from error


def _report(engine: Engine, error: Exception) -> EngineFailed:
    logger.error("%s has failed: %.300r", type(engine).__name__, error)
    return EngineFailed(f"{type(error).__name__}: {error}")
