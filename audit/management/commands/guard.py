"""``manage.py guard``: whether the database is as guarded as it should be."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from audit.guard import weaknesses


class Command(BaseCommand):
    """Show every weakness of the database for the role in use. Exit status 1 where there is one."""

    help = "Check roles, grants, triggers and row security of the audit tables."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run."""
        found = weaknesses()
        for weakness in found:
            self.stdout.write(weakness)
        if found:
            sys.exit(1)
        self.stdout.write("The database guards the audit log against this role.")
