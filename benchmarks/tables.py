"""Tables of docs/explanation/benchmarks.md: a benchmark prints its table, and writes it there in place of the former one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAGE = Path(__file__).parents[1] / "docs/explanation/benchmarks.md"


def publish(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The page keeps its other tables: the titles tell which one is meant. A part of a table must not come here."""
    head = f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|\n".replace("|  |", "| |")
    table = head + "".join(f"| {' | '.join(row)} |\n" for row in rows)
    print(f"\n{table}", flush=True)
    page, found = re.subn(
        re.escape(head) + r"(?:\|.*\n)*", lambda _: table, PAGE.read_text(encoding="utf-8")
    )
    if found:
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(f"{PAGE.name} has no table with these titles.")


def publish_picture(name: str, words: str) -> None:
    """Write the alternative text of a picture on the page."""
    print(f"\n![{words}](../images/{name})", flush=True)
    page, found = re.subn(
        rf"!\[[^\]]*\]\(\.\./images/{re.escape(name)}\)",
        lambda _: f"![{words}](../images/{name})",
        PAGE.read_text(encoding="utf-8"),
    )
    if found:
        PAGE.write_text(page, encoding="utf-8")
