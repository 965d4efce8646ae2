"""What a test has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    FINE = "✓"
    #: Good to know. Pictures work without a change.
    ADVICE = "!"
    BROKEN = "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    mark: Mark
    part: str
    #: What was found, then what to do.
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.part}: {self.text}"
