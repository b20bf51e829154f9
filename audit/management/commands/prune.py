"""``manage.py prune``: let content expire whose time is over."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.retention import prune


class Command(BaseCommand):
    """Prune content by each organisation's retention; legal holds are respected."""

    help = "Erase content that organisations no longer keep. Records and proofs stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *_args: Any, dry_run: bool, **_options: Any) -> None:
        """Run."""
        verb = "would expire" if dry_run else "expired"
        for done in prune(dry_run=dry_run):
            self.stdout.write(
                f"{done.organisation_id}: {done.slots} texts from before "
                f"{done.before:%Y-%m-%d} {verb}, {done.with_months} of them with whole months, "
                f"{done.held} are held"
            )
