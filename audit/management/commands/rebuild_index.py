"""``manage.py rebuild_index``: make the search index anew from the records."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit.indexing import rebuild_index


class Command(BaseCommand):
    """The index is a projection; this makes it again. Run it as the owner of the tables."""

    help = "Delete the search index of the audit log and make it again from the records."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run."""
        self.stdout.write(f"{rebuild_index()} records indexed")
