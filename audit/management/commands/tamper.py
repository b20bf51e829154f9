"""``manage.py tamper``: change one byte on a copy, and see the verifier name the record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.models import RecordIndex
from audit.tampering import NotSealed, tamper_with_copy
from orgs.models import Membership, Organisation
from orgs.roles import Role
from orgs.tenancy import tenant_of


class Command(BaseCommand):
    """Show what an outsider would see; the log itself is not touched."""

    help = "Change one byte of a record on a copy of the log, and give both to the verifier."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose log, and which record."""
        parser.add_argument("organisation", help="short name")
        parser.add_argument("--record", type=UUID, help="its id; else the newest sealed one")

    def handle(self, *_arguments: object, **options: Any) -> None:
        """Exit 1 where the forgery was not found."""
        organisation = Organisation.objects.filter(slug=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"There is no organisation {options['organisation']!r}.")
        member = Membership.objects.for_organisation(organisation.pk).filter(
            role__in=(Role.COMPLIANCE_OFFICER, Role.AUDITOR, Role.ADMINISTRATOR)
        )
        if not member:
            raise CommandError("The organisation has nobody who may read its log.")
        record = options["record"]
        if record is None:
            rows = RecordIndex.objects.for_organisation(organisation.pk)
            record = rows.values_list("pk", flat=True).first()
        try:
            shown = tamper_with_copy(tenant_of(member[0]), record)
        except (LookupError, NotSealed) as error:
            raise CommandError(str(error)) from error
        for title, text, verdict in (
            ("The copy as it is", shown.before, shown.honest),
            ("One byte changed ", shown.after, shown.forged),
        ):
            self.stdout.write(f"{title}: …{text}…\n  {verdict.result.upper()} {verdict.problem}")
        if not shown.is_found:
            raise CommandError("The forgery was not found.")
