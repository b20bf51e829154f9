"""Replace keys of the vault while everything runs."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from llm.sealed_columns import SEALED_COLUMNS
from orgs import vault
from orgs.key_rotation import (
    renew_organisation_key,
    rewrap_items,
    rewrap_organisation_keys,
    wrapped_by,
)
from orgs.models import Organisation


class Command(BaseCommand):
    """Wraps every organisation's key with the first of VAULT_KEYS; more only where asked.

    Nothing stops meanwhile, and an interrupted run is finished by the next.
    """

    help = "Wrap the organisations' keys with the newest of VAULT_KEYS, and renew them if asked."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose keys are renewed as well."""
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument(
            "--renew", metavar="SLUG", help="Also give this organisation a new key of its own."
        )
        chosen.add_argument(
            "--renew-all", action="store_true", help="Also give every organisation a new key."
        )

    def handle(self, *args: object, renew: str, renew_all: bool, **options: object) -> None:
        """Rotate, and say which instance keys may go."""
        organisations = list(Organisation.objects.order_by("slug"))
        renewed = [one for one in organisations if renew_all or one.slug == renew]
        if renew and not renewed:
            raise CommandError(f"There is no organisation “{renew}”.")
        try:
            count = rewrap_organisation_keys()
        except vault.VaultError as error:
            raise CommandError(f"{error} Add it behind the newest, and run this again.") from error
        self.stdout.write(f"{count} organisations' keys were wrapped with the newest key.")
        for organisation in renewed:
            number = renew_organisation_key(organisation)
            self.stdout.write(f"{organisation.slug}: key {number} seals from now on.")
        # Everybody's, unless one was named: an interrupted run may have left some.
        moved = renewed if renew else organisations
        items = 0
        for organisation in moved:
            try:
                count, damaged = rewrap_items(organisation, SEALED_COLUMNS)
            except vault.VaultError as error:  # without a key of its own: the others go on
                self.stderr.write(f"{organisation.slug}: {error}")
                continue
            items += count
            for name in damaged:
                self.stderr.write(f"{organisation.slug}: {name} does not open; it stays as it is.")
        self.stdout.write(f"{items} sealed values were moved to their organisation's newest key.")
        used = wrapped_by()
        for identifier in list(vault.instance_keys())[1:]:
            if not used[identifier]:
                self.stdout.write(f"Nothing needs “{identifier}” of VAULT_KEYS any more.")
