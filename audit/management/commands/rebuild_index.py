"""``manage.py rebuild_index``: make the search index anew from the records."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from audit.indexing import rebuild_index


class Command(BaseCommand):
    """The index is a projection; this makes it again. Run it as the owner of the tables."""

    help = (
        "Make the search index of the audit log again from the records. Ends with 1 and names them "
        "where records were changed beyond reading, or removed."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run."""
        found = rebuild_index()
        self.stdout.write(f"{found.count} records indexed")
        for record_id in found.unreadable:
            self.stderr.write(f"{record_id} is no record any more: its row is left as it was")
        for record_id in found.without_record:
            self.stderr.write(f"{record_id} is not there any more: its row is left as it was")
        if found.unreadable or found.without_record:
            self.stderr.write("Verify the log: manage.py verify ORGANISATION.")
            sys.exit(1)
