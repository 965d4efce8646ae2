"""manage.py resizer_doctor"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from resizer.maintenance.doctor import Mark, examine
from resizer.management.ending import told_end
from resizer.sources import bulkhead


class Command(BaseCommand):
    help = (
        "Tries everything that pictures need, and says in one line each what works (✓), what is worth knowing (!)"
        " and what is broken (✗), and what to do about it: settings, the storage of the variants (one is written,"
        " read and deleted), addresses, encoders, cache, database, sources (an original of each is opened), signing key. Works without a database."
        " Exits with 0; with 1 if something is broken, or if the output cannot be written; with 130 after Ctrl-C, and with 141"
        " if nobody reads its output."
    )
    # It runs those of the app itself, and says what they find instead of stopping at it.
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        with told_end(self), bulkhead.command():
            self._examine()

    def _examine(self) -> None:
        broken = 0
        for finding in examine():
            broken += finding.mark is Mark.BROKEN
            self.stdout.write(str(finding))
        if broken:
            some = "1 part is" if broken == 1 else f"{broken} parts are"
            raise CommandError(f"{some} broken, see ✗ above.")
