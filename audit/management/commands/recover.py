"""``manage.py recover``: begin the next epoch of logs that lost signed records."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit.models import Log
from audit.recovery import NothingLost, recover


class Command(BaseCommand):
    """After a restore that lost signed records: another epoch for each log concerned."""

    help = "Begin the next epoch of every log of which the signer has signed more than there is."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run."""
        organisations = Log.unscoped.values_list(  # every organisation's log may be concerned
            "organisation_id", flat=True
        )
        for organisation_id in sorted(set(organisations)):
            try:
                receipt = recover(organisation_id)
            except NothingLost:
                continue
            self.stdout.write(f"{organisation_id}: now {receipt.origin}")
