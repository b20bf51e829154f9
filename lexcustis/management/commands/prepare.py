"""Bring an instance up to date: migrations, static files and, in the demo, its data."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from io import StringIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection


class Command(BaseCommand):
    """Runs before the processes of the Procfile, after each update."""

    help = "Apply migrations, collect static files and, in the demo, seed its data once."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Nothing to choose but whether the demo's data is wanted."""
        parser.add_argument("--no-demo", action="store_true", help="Seed nothing.")

    def handle(self, *args: object, **options: bool) -> None:
        """Do the steps, with a line for each."""
        # One connection is enough here, and without the pool its failure says the reason at once.
        connection.settings_dict["OPTIONS"]["pool"] = False
        try:
            self._step("database up to date", lambda: call_command("migrate", verbosity=0))
        except OperationalError as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"The database cannot be reached: {reason}") from error
        self._step("static files collected", _collect_static_files)
        if settings.DEMO and not options["no_demo"]:
            self._step("demo data there", lambda: call_command("demo", stdout=StringIO()))

    def _step(self, done: str, action: Callable[[], object]) -> None:
        began = time.monotonic()
        action()
        self.stdout.write(f"  {done:<28}{time.monotonic() - began:6.1f} s")
        self.stdout.flush()


def _collect_static_files() -> None:
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
