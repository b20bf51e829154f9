"""Bring an instance up to date: migrations, static files and, in the demo, its data."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from io import StringIO

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, OperationalError, connection

from audit.guard import DatabaseRole, connected_as, refusal, weaknesses
from lexcustis.demo_model import offer
from lexcustis.logins import make_logins


class Command(BaseCommand):
    """Runs before the processes of the Procfile, after each update."""

    help = "Apply migrations, collect static files and, in the demo, seed its data once."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to leave out."""
        parser.add_argument("--no-demo", action="store_true", help="Seed nothing.")
        parser.add_argument("--no-static", action="store_true", help="Leave static files alone.")

    def handle(self, *args: object, **options: bool) -> None:
        """Do the steps, with a line for each."""
        # One connection is enough here, and without the pool its failure says the reason at once.
        connection.settings_dict["OPTIONS"]["pool"] = False
        try:
            self._step("database up to date", lambda: call_command("migrate", verbosity=0))
        except OperationalError as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"The database cannot be reached: {reason}") from error
        if not settings.DEMO:
            self._step("database logins checked", _look_at_logins)
        if not options["no_static"]:
            self._step("static files collected", _collect_static_files)
        if settings.DEMO and not options["no_demo"]:
            self._step("demo data there", lambda: call_command("demo", stdout=StringIO()))
            offer(settings.LOCAL_MODEL_URL)

    def _step(self, done: str, action: Callable[[], object]) -> None:
        began = time.monotonic()
        action()
        self.stdout.write(f"  {done:<28}{time.monotonic() - began:6.1f} s")
        self.stdout.flush()


def _look_at_logins() -> None:
    """Make the logins that are missing; what would not be allowed to serve is said now."""
    try:
        make_logins()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    for role in DatabaseRole:
        with connected_as(role) as login:
            name = login.settings_dict["USER"]
            try:
                found = weaknesses(role, login=login)
            except Error as error:
                reason = " ".join(str(error).split())
                raise CommandError(f"{role.setting} does not lead in: {reason}") from error
        if found:
            raise CommandError(refusal(role, name, found))


def _collect_static_files() -> None:
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
