"""Reading and changing an organisation's rules for calls; every change is in the log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from llm.models import CallRules, ProviderSettings
from llm.screening import KINDS
from orgs.changes import Change, announce
from orgs.models import Organisation
from orgs.roles import Permission
from orgs.tenancy import Tenant

LIMITS = ("requests_per_minute", "requests_per_minute_person", "requests_per_minute_key")
FIELDS = ("screening", "screening_by_kind", "pictures", "strategy", "chain", "fallback", *LIMITS)


def rules_of(organisation_id: UUID) -> CallRules:
    """The organisation's rules, or the defaults where it has none."""
    rows = CallRules.objects.for_organisation(organisation_id)
    found: CallRules | None = rows.first()
    return found or CallRules(organisation_id=organisation_id)


def change_rules(tenant: Tenant, **fields: Any) -> CallRules:
    """Change some rules. What they are from now on is recorded as ``organisation.changed``.

    Raises ``ValidationError`` with the field that is wrong.
    """
    tenant.require(Permission.ORGANISATION_MANAGE)
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise TypeError(f"Not rules for calls: {', '.join(unknown)}.")
    with transaction.atomic():
        # Locked first, so that two people who make the first rules at once do not collide.
        Organisation.objects.select_for_update().get(pk=tenant.organisation_id)
        rules = rules_of(tenant.organisation_id)
        changed = sorted(name for name, value in fields.items() if getattr(rules, name) != value)
        if not changed:
            return rules
        for name in changed:
            setattr(rules, name, fields[name])
        _check(tenant, rules)
        rules.updated_at = timezone.now()
        rules.save()
        _announce(tenant, rules, changed)
    return rules


def _check(tenant: Tenant, rules: CallRules) -> None:
    rules.full_clean(validate_unique=False)
    by_kind = rules.screening_by_kind
    policies = set(CallRules.Screening.values)
    if not isinstance(by_kind, dict) or not set(by_kind) <= set(KINDS):
        kinds = ", ".join(KINDS)
        raise ValidationError({"screening_by_kind": _("The kinds are: %s.") % kinds})
    if not all(isinstance(value, str) and value in policies for value in by_kind.values()):
        raise ValidationError(
            {"screening_by_kind": _("Each kind is one of: %s.") % ", ".join(sorted(policies))}
        )
    if len(set(rules.chain)) != len(rules.chain):
        raise ValidationError({"chain": _("Each provider stands in the order once.")})
    own = ProviderSettings.objects.for_tenant(tenant).filter(pk__in=rules.chain)
    if own.count() != len(rules.chain):
        raise ValidationError({"chain": _("There is no such provider in your organisation.")})


def _announce(tenant: Tenant, rules: CallRules, changed: list[str]) -> None:
    values = {
        f"lexcustis.call_rules.{name}": [str(one) for one in rules.chain]
        if name == "chain"
        else getattr(rules, name)
        for name in changed
    }
    details = {"lexcustis.changed_fields": [f"call_rules.{name}" for name in changed], **values}
    organisation_id = tenant.organisation_id
    announce(
        Change("organisation.changed", organisation_id, tenant.actor, organisation_id, details)
    )
