"""``manage.py verify``: check whole logs from inside."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from audit.models import Log
from audit.verification import Report, verify_log


class Command(BaseCommand):
    """Verify the logs of one organisation or of all, each epoch. Exit 1 where one is not valid."""

    help = "Verify audit logs: every record, the tree, every checkpoint, every content."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("organisation", nargs="?", help="an organisation's short name or id")
        parser.add_argument(
            "--epoch", type=int, action="append", help="this epoch alone; may be given again"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object per log")

    def handle(
        self,
        *_args: Any,
        organisation: str | None,
        epoch: list[int] | None,
        json: bool,
        **_options: Any,
    ) -> None:
        """Run."""
        logs = Log.unscoped.select_related(  # the operator verifies everybody's
            "organisation"
        ).order_by("number")
        found = [
            log
            for log in logs
            if organisation in {None, log.organisation.slug, str(log.organisation_id)}
            and (epoch is None or log.epoch in epoch)
        ]
        if not found:
            self.stderr.write("There is no such log.")
            sys.exit(3)
        reports = [(log, verify_log(log.organisation_id, epoch=log.epoch)) for log in found]
        for log, report in reports:
            self._show(log, report, as_json=json)
        if not all(report.valid for _log, report in reports):
            sys.exit(1)

    def _show(self, log: Log, report: Report, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"log": log.origin, **asdict(report)}, default=str))
            return
        verdict = "valid" if report.valid else "NOT VALID"
        self.stdout.write(
            f"{log.organisation}, epoch {log.epoch}: {verdict}; "
            f"{report.entries_checked} of {report.size} records"
        )
        for problem in report.problems:
            self.stdout.write(f"  - {problem}")
        for gap in report.not_checked:
            self.stdout.write(f"  not checked: {gap}")
