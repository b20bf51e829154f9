"""The register of AI systems: entered, changed, retired; and which of them a call belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _

from orgs.changes import Change, announce
from orgs.days import today_in
from orgs.models import AISystem, ApiKey, Organisation, User
from orgs.roles import Permission
from orgs.tenancy import Tenant, TenantQuerySet

FIELDS = ("name", "purpose", "status", "in_use_since", "retired_on")


def enter_first(organisation: Organisation) -> AISystem:
    """Give a new organisation the system that its calls belong to until it names others."""
    first = AISystem(organisation=organisation, name=_("AI chat"))
    first.save(force_insert=True)
    organisation.default_system = first
    organisation.save(update_fields=["default_system"])
    return first


def systems_of(tenant: Tenant) -> TenantQuerySet[AISystem]:
    """Every system of the organisation, the oldest first."""
    return AISystem.objects.for_tenant(tenant).order_by("created_at", "id")


def find_system(tenant: Tenant, system_id: UUID) -> AISystem:
    """One of the organisation's systems; ``Http404`` for any other."""
    found: AISystem | None = systems_of(tenant).filter(pk=system_id).first()
    if found is None:
        raise Http404
    return found


def choices(tenant: Tenant) -> list[AISystem]:
    """The systems that a new conversation or key may belong to, the default one first."""
    default = tenant.organisation.default_system_id
    rows = [row for row in systems_of(tenant) if row.takes_calls]
    return sorted(rows, key=lambda row: row.pk != default)


def system_of_call(tenant: Tenant, wished: UUID | None = None) -> UUID | None:
    """The system that a call belongs to: the key's own, else the wished one, else the default.

    Raises ``ValidationError`` for a system that is not in use, or not one of the organisation's.
    """
    bound = tenant.api_key.system_id if tenant.api_key is not None else None
    if wished is None or wished == bound:
        return bound or tenant.organisation.default_system_id
    if bound is not None:
        raise ValidationError({"system_id": _("This key belongs to another AI system.")})
    row = systems_of(tenant).filter(pk=wished).first()
    if row is None or not row.takes_calls:
        raise ValidationError({"system_id": _("There is no such AI system in use.")})
    return wished


def register_system(
    tenant: Tenant, *, name: str, overseers: Iterable[User] = (), **fields: Any
) -> AISystem:
    """Enter a system into the register."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    people = _members(tenant, overseers)
    system = AISystem(organisation=tenant.organisation, name=name.strip(), **fields)
    _date_retirement(system)
    with transaction.atomic():
        system.full_clean()
        system.save(force_insert=True)
        system.overseers.set(people)
        details = {
            "lexcustis.system.status": system.status,
            "lexcustis.system.overseers": _ids(people),
        }
        announce(_change("system.registered", tenant, system, details))
    return system


def change_system(
    tenant: Tenant, system: AISystem, *, overseers: Iterable[User] | None = None, **fields: Any
) -> AISystem:
    """Change a system; the names of the fields that differ are recorded, its status in clear."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    with transaction.atomic():
        rows = AISystem.objects.for_tenant(tenant).select_for_update()
        row: AISystem = rows.get(pk=system.pk)
        before = row.status
        changed = [name for name in FIELDS if name in fields and getattr(row, name) != fields[name]]
        for name in changed:
            setattr(row, name, fields[name])
        _date_retirement(row)
        _keep_a_default(tenant, row)
        row.full_clean()
        row.save()
        details: dict[str, Any] = {"lexcustis.system.status": row.status}
        if overseers is not None:
            people = _members(tenant, overseers)
            if set(people) != set(row.overseers.all()):
                row.overseers.set(people)
                changed.append("overseers")
                details["lexcustis.system.overseers"] = _ids(people)
        if changed:
            details["lexcustis.changed_fields"] = sorted(changed)
            retired = row.status == AISystem.Status.RETIRED != before
            kind = "system.retired" if retired else "system.changed"
            announce(_change(kind, tenant, row, details))
    return row


def make_default(tenant: Tenant, system: AISystem) -> None:
    """Have calls that name no system belong to this one."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    if not system.takes_calls:
        raise ValidationError(_("Only a system that is in use can be the default."))
    with transaction.atomic():
        row = Organisation.objects.select_for_update(of=("self",)).get(pk=tenant.organisation_id)
        if row.default_system_id != system.pk:
            row.default_system = find_system(tenant, system.pk)
            row.save(update_fields=["default_system"])
            details = {
                "lexcustis.changed_fields": ["default_system"],
                "lexcustis.system.id": str(system.pk),
            }
            announce(Change("organisation.changed", row.pk, tenant.actor, row.pk, details))
    tenant.organisation.default_system = system


def put_key_into(tenant: Tenant, key: ApiKey, system: AISystem) -> None:
    """Have a key's calls belong to *system*: one's own key; any with the right to manage keys."""
    if key.owner_id != tenant.user.pk:
        tenant.require(Permission.KEY_MANAGE)
    if not find_system(tenant, system.pk).takes_calls:
        raise ValidationError({"system": _("There is no such AI system in use.")})
    with transaction.atomic():
        mine = ApiKey.objects.for_tenant(tenant).filter(pk=key.pk).exclude(system_id=system.pk)
        if mine.update(system=system):
            details = {"lexcustis.key.id": str(key.pk)}
            announce(_change("system.changed", tenant, system, details))
    key.system = system


def _keep_a_default(tenant: Tenant, row: AISystem) -> None:
    if row.pk == tenant.organisation.default_system_id and not row.takes_calls:
        raise ValidationError(
            {"status": _("Calls that name no system belong to this one: make another the default.")}
        )


def _date_retirement(system: AISystem) -> None:
    if system.status == AISystem.Status.RETIRED:
        system.retired_on = system.retired_on or today_in(system.organisation.time_zone)
    else:
        system.retired_on = None


def _members(tenant: Tenant, people: Iterable[User]) -> list[User]:
    wanted = list(people)
    members = User.objects.filter(memberships__organisation_id=tenant.organisation_id)
    if members.filter(pk__in=[person.pk for person in wanted]).count() != len(wanted):
        raise ValidationError({"overseers": _("Only members of the organisation can oversee.")})
    return sorted(wanted, key=lambda person: str(person.pk))


def _ids(people: Sequence[User]) -> list[str]:
    return [str(person.pk) for person in people]


def _change(kind: str, tenant: Tenant, system: AISystem, details: dict[str, Any]) -> Change:
    return Change(kind, tenant.organisation_id, tenant.actor, system.pk, details)
