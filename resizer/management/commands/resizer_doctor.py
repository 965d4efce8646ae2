"""manage.py resizer_doctor"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from resizer.maintenance.doctor import examine
from resizer.maintenance.doctor.findings import Mark
from resizer.management.console import ResizerCommand, statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.maintenance.doctor.findings import Finding


class Command(ResizerCommand):
    help = (
        "Tests all parts of the app: settings, variants storage (writes, reads and deletes a file), URLs,"
        " encoders, cache, locks, database, sources (opens an original of each) and signing key."
        " Each line begins with ✓ (works), ! (good to know) or ✗ (broken), and says what to do."
        " Works without a database."
        " " + statuses("nothing is broken", "something is broken or the output cannot be written")
    )
    # The command runs the app's checks itself and reports their findings. Django would stop at the first error.
    requires_system_checks = ()

    def work(self, options: Mapping[str, Any]) -> None:
        findings: list[Finding] = []
        for finding in examine():
            findings.append(finding)
            # At once: a part that does not respond may take long.
            self.report_line(str(finding), is_needed=finding.mark is Mark.BROKEN)
        broken = sum(one.mark is Mark.BROKEN for one in findings)
        facts = [
            {
                "part": one.part,
                "is_broken": one.mark is Mark.BROKEN,
                "mark": one.mark,
                "text": one.text,
            }
            for one in findings
        ]
        self.report({"broken": broken, "findings": facts}, [])
        if broken:
            some = "1 part is" if broken == 1 else f"{broken} parts are"
            raise CommandError(f"{some} broken. See the lines with ✗ above.")
