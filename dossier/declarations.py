"""Making declarations and finding those that count at a moment."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, Text, append
from dossier.catalogue import CATALOGUE, About, Item
from dossier.leaves import Leaf, declared, unknown
from dossier.models import Declaration
from orgs.models import AISystem, Organisation
from orgs.roles import Permission
from orgs.systems import systems_of
from orgs.tenancy import Tenant

VALID_FOR = timedelta(days=365)  # A.0: declarations expire after twelve months by default
LONGEST = 4000  # characters: a statement is printed whole


def declare(tenant: Tenant, *, key: str, value: str, subject: str = "") -> Declaration:
    """State *value* for *key*, in the tenant's name and as of now. Earlier statements stay."""
    tenant.require(Permission.DECLARE)
    item = CATALOGUE.get(key)
    if item is None:
        raise ValidationError({"key": _("There is no such statement.")})
    value = value.strip()
    if not value:
        raise ValidationError({"value": _("A declaration says something.")})
    if len(value) > LONGEST:
        message = _("At most %(longest)s characters: name the document that says more.")
        raise ValidationError({"value": message % {"longest": LONGEST}})
    if item.choices and value not in item.choices:
        allowed = ", ".join(item.choices)
        raise ValidationError(
            {"value": _("The answer is one of: %(allowed)s.") % {"allowed": allowed}}
        )
    _check_form(item, value)
    subject = _subject(tenant, item, subject)
    now = timezone.now()
    with transaction.atomic():
        receipt = append(_draft(tenant, item, subject, value, now))
        made: Declaration = Declaration.objects.create(
            organisation=tenant.organisation,
            key=key,
            subject=subject,
            value=value,
            declared_by=tenant.user,
            declared_name=str(tenant.user),
            declared_role=str(tenant.role.label),
            declared_at=now,
            expires_at=now + VALID_FOR,
            record_id=receipt.record_id,
        )
    return made


def _draft(tenant: Tenant, item: Item, subject: str, value: str, at: datetime) -> Draft:
    """The record: the key in clear, what was said and about whom as sealed content."""
    statement = {"key": item.key, "subject": subject, "value": value}
    text = json.dumps(statement, ensure_ascii=False, sort_keys=True)
    return Draft(
        organisation_id=tenant.organisation_id,
        kind=Kind.DECLARATION_MADE,
        actor=tenant.actor,
        body={"lexcustis.declaration.key": item.key},
        content={"statement": Text(text, media="application/json")},
        at=at,
    )


def _subject(tenant: Tenant, item: Item, subject: str) -> str:
    """What the statement is about; an AI system that is not named is the default one."""
    match item.about:
        case About.ORGANISATION if subject:
            message = _("This statement is about the organisation itself.")
        case About.SYSTEM:
            wanted = subject or str(tenant.organisation.default_system_id)
            if wanted in {str(row.pk) for row in systems_of(tenant)}:
                return wanted
            message = _("Name one of the AI systems in the register by its id.")
        case About.PROVIDER | About.MODEL if not subject:
            message = _("Name the provider or model as it stands in the log.")
        case _:
            return subject
    raise ValidationError({"subject": message})


def _check_form(item: Item, value: str) -> None:
    try:
        if item.form == "date":
            date.fromisoformat(value)
        elif item.form == "number" and not 0 <= Decimal(value) < Decimal("Infinity"):
            raise ValueError(value)
    except (ValueError, InvalidOperation):
        message = (
            _("Write the day as year, month and day, for instance 2027-06-03.")
            if item.form == "date"
            else _("Write a number that is not negative, for instance 3.0e19.")
        )
        raise ValidationError({"value": message}) from None


class Declarations:
    """The newest declaration of each key and subject that was made by *as_of*."""

    def __init__(
        self, rows: list[Declaration], as_of: datetime, default_system: UUID | None = None
    ) -> None:
        self.as_of = as_of
        self.default_system = str(default_system) if default_system else ""
        self._newest: dict[tuple[str, str], Declaration] = {}
        for row in sorted(rows, key=lambda row: (row.declared_at, str(row.pk))):
            self._newest[row.key, row.subject] = row

    def find(self, key: str, subject: str = "") -> Declaration | None:
        """The declaration that counts, expired or not; by default about the default system."""
        if not subject and CATALOGUE[key].about is About.SYSTEM:
            subject = self.default_system
        return self._newest.get((key, subject))

    def current(self) -> list[Declaration]:
        """Every declaration that counts, by key and subject."""
        return [self._newest[place] for place in sorted(self._newest)]

    def value(self, key: str, subject: str = "") -> str | None:
        """What is declared and still valid."""
        row = self.find(key, subject)
        return row.value if row and row.expires_at > self.as_of else None

    def leaf(self, key: str, subject: str = "") -> Leaf:
        """The leaf of *key*: declared, expired, or unknown with whose answer is missing."""
        item = CATALOGUE[key]
        row = self.find(key, subject)
        if row is None:
            return unknown(item.missing, as_of=self.as_of, law=item.law)
        return declared(
            row.value,
            name=row.declared_name,
            role=row.declared_role,
            at=row.declared_at,
            expires_at=row.expires_at,
            as_of=self.as_of,
            evidence=[{"type": "record", "id": str(row.record_id), "kind": "declaration.made"}],
            law=item.law,
        )


def declarations_at(organisation_id: UUID, as_of: datetime | None = None) -> Declarations:
    """What the organisation's people had declared by *as_of*, by default until now."""
    as_of = as_of or timezone.now()
    rows = Declaration.objects.for_organisation(organisation_id).filter(declared_at__lte=as_of)
    default = Organisation.objects.filter(pk=organisation_id).values_list(
        "default_system", flat=True
    )
    return Declarations(list(rows), as_of, default.first())


def name_of_subject(organisation_id: UUID, key: str, subject: str) -> str:
    """What a statement is about, as people call it."""
    item = CATALOGUE.get(key)
    if item is None or item.about is not About.SYSTEM:
        return subject
    systems = AISystem.objects.for_organisation(organisation_id)
    names = {str(pk): str(name) for pk, name in systems.values_list("pk", "name")}
    return names.get(subject, subject)
