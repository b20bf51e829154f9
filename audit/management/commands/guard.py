"""``manage.py guard``: whether the database is as guarded as it should be."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error

from audit.guard import DatabaseRole, connected_as, weaknesses


class Command(BaseCommand):
    """Show every weakness of the logins in use. Exit status 1 where there is one."""

    help = "Check logins, grants, triggers and row security of the audit tables."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run."""
        weak = False
        for role in DatabaseRole:
            with connected_as(role) as login:
                name = login.settings_dict["USER"]
                try:
                    found = weaknesses(role, login=login)
                except Error as error:
                    found = [" ".join(str(error).split())]
            weak = weak or bool(found)
            verdict = "" if found else " cannot change the audit log."
            self.stdout.write(f"{role.setting}: {role.work} as “{name}”{verdict}")
            for weakness in found:
                self.stdout.write(f"  {weakness}")
        if weak:
            sys.exit(1)
