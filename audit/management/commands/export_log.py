"""``manage.py export_log``: a whole log for an outsider, with the verifier beside it."""

from __future__ import annotations

import shutil
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from audit.models import Log
from audit.slices import VERIFIER, export_period


class Command(BaseCommand):
    """Write an organisation's log, or a period of it, into a new folder."""

    help = "Export a log: records, proofs and verifier.py. Content is not included."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("organisation", help="the organisation's short name or id")
        parser.add_argument("folder", type=Path, help="where to write; must not exist")
        parser.add_argument("--since", type=_moment, default=datetime(1, 1, 2, tzinfo=UTC))
        parser.add_argument("--until", type=_moment, default=datetime(9999, 12, 30, tzinfo=UTC))

    def handle(
        self,
        *_args: Any,
        organisation: str,
        folder: Path,
        since: datetime,
        until: datetime,
        **_options: Any,
    ) -> None:
        """Run."""
        logs = Log.unscoped.select_related(  # the operator exports for any of them
            "organisation"
        )
        log = next(
            (
                log
                for log in logs.order_by("-epoch")
                if organisation in {log.organisation.slug, str(log.organisation_id)}
            ),
            None,
        )
        if log is None:
            self.stderr.write("There is no such organisation.")
            sys.exit(3)
        folder.mkdir(parents=True)
        report = export_period(log.organisation_id, since, until, folder)
        shutil.copyfile(VERIFIER, folder / VERIFIER.name)
        self.stdout.write(
            f"{report.records} records of {report.origin}, positions {report.first} to "
            f"{report.end - 1}. Check: python {folder}/verifier.py {folder} --key VKEY"
        )
        if report.holes:
            self.stderr.write(
                f"No longer there: {report.holes}. An empty line stands for each; "
                f"verify the log: manage.py verify {log.organisation.slug}."
            )
            sys.exit(1)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
