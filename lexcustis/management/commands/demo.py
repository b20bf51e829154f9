"""Seed the demo, or remove it."""

from __future__ import annotations

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lexcustis.demo import is_seeded, seed
from lexcustis.demo_removal import NotOnlyTheDemo, remove
from lexcustis.instance import CannotStart


class Command(BaseCommand):
    """Two organisations, their people and three months of their work, all relative to today."""

    help = "Seed the demo's data once; with --remove take all of it away again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Seed or remove."""
        parser.add_argument("--remove", action="store_true", help="Remove the demo's data.")

    def handle(self, *args: object, **options: bool) -> None:
        """Do it, and say what was done."""
        if not settings.DEMO:
            raise CommandError("This is no demo: set LEXCUSTIS_DEMO=1 if it is meant to be one.")
        if options["remove"]:
            try:
                remove()
            except (NotOnlyTheDemo, CannotStart) as error:
                raise CommandError(str(error)) from error
            self.stdout.write("The demo's data is removed.")
        elif is_seeded():
            self.stdout.write("The demo's data is there already.")
        else:
            seed()
            self.stdout.write("The demo's data is there.")
