"""``manage.py erase``: erase content at an operator's hands, recorded like any other erasure."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from audit.erasure import Ground, Held, SecondPersonNeeded, erase_by_operator
from audit.models import Log, RecordIndex


class Command(BaseCommand):
    """Erase the content of records. Records, proofs and everybody else's content stay."""

    help = "Erase the content of the named records, or of everything one person or key asked."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("organisation", help="the organisation's short name or id")
        parser.add_argument("--record", type=UUID, action="append", default=[])
        parser.add_argument("--actor", help="the opaque id of a person or key")
        parser.add_argument("--ground", required=True, choices=Ground.values)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run."""
        logs = Log.unscoped.select_related(  # the operator erases for any of them
            "organisation"
        )
        names = {log.organisation.slug: log.organisation_id for log in logs}
        organisation_id = names.get(options["organisation"])
        if organisation_id is None or not (options["record"] or options["actor"]):
            self.stderr.write("Name an organisation, and records or an actor.")
            sys.exit(3)
        rows = RecordIndex.objects.for_organisation(organisation_id)
        wanted = rows.filter(pk__in=options["record"])
        if options["actor"]:
            own = rows.filter(actor_id=options["actor"])
            wanted = wanted | own | rows.filter(request_id__in=own.values("pk"))
        places = [(pk, slot) for pk, slots in wanted.values_list("pk", "slots") for slot in slots]
        try:
            receipts = erase_by_operator(organisation_id, places, Ground(options["ground"]))
        except (Held, SecondPersonNeeded) as error:
            self.stderr.write(str(error))
            sys.exit(1)
        for receipt in receipts:
            self.stdout.write(f"recorded as {receipt.record_id}")
