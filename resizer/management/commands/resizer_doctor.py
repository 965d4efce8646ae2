"""manage.py resizer_doctor"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from resizer.maintenance.doctor import Mark, examine
from resizer.management.ending import told_end
from resizer.sources import bulkhead


class Command(BaseCommand):
    help = (
        "Tests all parts of the app: settings, variants storage (writes, reads and deletes a file), URLs,"
        " encoders, cache, locks, database, sources (opens an original of each) and signing key."
        " Each line begins with ✓ (works), ! (good to know) or ✗ (broken), and says what to do."
        " Works without a database."
        " Exit status: 0 if nothing is broken; 1 if something is broken or the output cannot be written;"
        " 130 after Ctrl-C; 141 if a pipe was closed."
    )
    # The command runs the app's checks itself and reports their findings. Django would stop at the first error.
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
            raise CommandError(f"{some} broken. See the lines with ✗ above.")
