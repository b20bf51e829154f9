"""``manage.py anchor``: have outsiders vouch for the heads of logs, now or where it is due."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.anchor_checks import verify_anchors, write_anchors
from audit.anchors import AnchorResult, anchor_due, anchor_now, anchoring_state, problems
from orgs.models import Organisation


class Command(BaseCommand):
    """Without arguments it does what the worker does every minute."""

    help = (
        "Anchor the heads of audit logs with the outsiders of ANCHOR_AUTHORITIES and "
        "ANCHOR_WITNESSES, or look at what is anchored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to anchor, or to look at."""
        parser.add_argument("--organisation", help="short name: this one only, due or not")
        parser.add_argument("--state", action="store_true", help="say what is anchored")
        parser.add_argument("--verify", action="store_true", help="check the stored anchors again")
        parser.add_argument("--write", type=Path, help="write the stored anchors into this folder")

    def handle(self, *_arguments: object, **options: Any) -> None:
        """Exit 1 where an outsider could not be asked, or an anchor does not hold."""
        chosen = Organisation.objects.all()
        if options["organisation"]:
            chosen = chosen.filter(slug=options["organisation"])
            if not chosen:
                raise CommandError(f"There is no organisation {options['organisation']!r}.")
        try:
            if options["write"]:
                self._write(chosen, options["write"])
            elif options["verify"]:
                self._verify(chosen)
            elif options["state"]:
                self._say_state(chosen)
            elif options["organisation"]:
                self._tell([result for found in chosen for result in anchor_now(found.pk)])
            else:
                self._tell(anchor_due())
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error

    def _tell(self, results: list[AnchorResult]) -> None:
        for result in results:
            outcome = (
                result.problem or f"{result.size} entries at {result.at:%Y-%m-%d %H:%M:%S} UTC"
            )
            self.stdout.write(f"{result.origin}: {result.authority}: {outcome}")
        if not results:
            self.stdout.write("Nothing to anchor.")
        if any(result.problem for result in results):
            raise CommandError("Not every head could be anchored.")

    def _say_state(self, organisations: Any) -> None:
        for organisation in organisations:
            self.stdout.write(f"{organisation.slug}: {anchoring_state(organisation.pk)}")
            for problem in problems(organisation.pk):
                self.stdout.write(f"  last attempt failed: {problem}")

    def _verify(self, organisations: Any) -> None:
        bad = False
        for organisation in organisations:
            report = verify_anchors(organisation.pk)
            bad = bad or not report.valid
            self.stdout.write(f"{organisation.slug}: {report.checked} checked")
            for line in [*report.problems, *(f"not checked: {it}" for it in report.not_checked)]:
                self.stdout.write(f"  {line}")
        if bad:
            raise CommandError("An anchor does not hold.")

    def _write(self, organisations: Any, folder: Path) -> None:
        for organisation in organisations:
            names = write_anchors(organisation.pk, folder / organisation.slug)
            self.stdout.write(f"{organisation.slug}: {len(names)} files")
