"""Make a new instance key of the vault."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime

from django.core.management.base import BaseCommand

from lexcustis.fresh_env import new_vault_key


class Command(BaseCommand):
    """Prints an entry for VAULT_KEYS; it changes nothing."""

    help = "Print a fresh entry for VAULT_KEYS. Put it first and keep the older ones behind it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The key's name."""
        parser.add_argument(
            "identifier", nargs="?", default="", help="Its name; by default today's date."
        )

    def handle(self, *args: object, **options: str) -> None:
        """Print the key."""
        identifier = options["identifier"] or f"k{datetime.now(UTC):%Y%m%d}"
        self.stdout.write(new_vault_key(identifier))
