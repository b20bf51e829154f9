"""Looking at a fact of law: confirming it, or changing it, by name, with a source, on record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, Text, append
from dossier.fact_models import FactReview
from dossier.law import wording_faults
from dossier.lawbook import EDITABLE, Fact, LawBook, law_at, on_file
from orgs.roles import Permission
from orgs.tenancy import Tenant

NOW = ("yes", "later", "disputed", "upstream")
_LONGEST_CLOCK = 365
_IS_ADDRESS = URLValidator(schemes=["https", "http"])


def lawbook(tenant: Tenant) -> LawBook:
    """The facts as they stand now for the tenant's organisation."""
    tenant.require(Permission.DOSSIER_READ)
    return law_at(tenant.organisation_id, timezone.now())


def reviews_of(tenant: Tenant, *, file: str = "", key: str = "") -> QuerySet[FactReview]:
    """Every look at a fact, newest first; of one file or row where it is given."""
    tenant.require(Permission.DOSSIER_READ)
    wanted = {name: value for name, value in (("file", file), ("key", key)) if value}
    return FactReview.objects.for_tenant(tenant).filter(**wanted)


def review(
    tenant: Tenant,
    *,
    file: str,
    key: str,
    grade: str,
    source: str,
    changes: Mapping[str, Any] | None = None,
    ground: str = "",
) -> FactReview:
    """Confirm a row as it stands, or change it where *changes* differ from it.

    *grade* says what was read today: P the text itself, S a secondary source; *source* where.
    A change needs its *ground*.
    """
    tenant.require(Permission.DECLARE)
    fact = lawbook(tenant).find(file, key)
    if fact is None:
        raise ValidationError({"key": _("There is no such row.")})
    if grade not in FactReview.Grade.values:
        raise ValidationError({"grade": _("Say what was read: the text itself, or a source.")})
    differing = _differing(fact, changes or {})
    if differing and not ground.strip():
        raise ValidationError({"ground": _("Say why the row is changed.")})
    changed = _changed(fact, differing)
    row = FactReview(
        organisation=tenant.organisation,
        file=file,
        key=key,
        act=FactReview.Act.OVERRIDDEN if changed else FactReview.Act.CONFIRMED,
        grade=grade,
        source=source.strip(),
        changes=changed,
        ground=ground.strip(),
        reviewed_by=tenant.user,
        reviewed_name=str(tenant.user),
        reviewed_role=str(tenant.role.label),
        reviewed_at=timezone.now(),
    )
    row.full_clean(exclude=["record_id"])
    with transaction.atomic():
        row.record_id = append(_draft(tenant, row)).record_id
        row.save(force_insert=True)
    return row


def _changed(fact: Fact, differing: Mapping[str, Any]) -> dict[str, Any]:
    """All fields that differ from our file now, changed earlier or today.

    A confirmation keeps what was changed earlier; what is changed back is no change any more.
    """
    filed = on_file(fact.file, fact.key).row
    earlier = dict(fact.review.changes) if fact.review is not None else {}
    return {k: v for k, v in {**earlier, **differing}.items() if v != filed.get(k)}


def _differing(fact: Fact, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changed fields in the form of their file; raises where a value does not fit."""
    unknown = sorted(set(changes) - set(EDITABLE[fact.file]))
    if unknown:
        raise ValidationError({"changes": _("This cannot be changed: %s.") % ", ".join(unknown)})
    found: dict[str, Any] = {}
    for name, value in changes.items():
        text, before = _text(value), fact.row.get(name)
        if text != _text(before) and (fitting := _fitting(name, text)) != before:
            found[name] = fitting
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value).replace("\r\n", "\n").strip()


def _days(text: str) -> int:
    days = int(text)
    if not 0 < days <= _LONGEST_CLOCK:
        raise ValueError(text)
    return days


def _dates(text: str) -> str:
    for day in text.split("|"):
        if date.fromisoformat(day).isoformat() != day:
            raise ValueError(day)
    return text


def _status(text: str) -> str:
    if text not in NOW:
        raise ValueError(text)
    return text


def _address(text: str) -> str:
    _IS_ADDRESS(text)
    return text


_FITTING: dict[str, Callable[[str], Any]] = {
    "max_days": _days,
    "from": _dates,
    "now": _status,
    "url": _address,
}


def _fitting(name: str, text: str) -> Any:
    try:
        fitting = _FITTING.get(name, str)(text)
    except (ValueError, ValidationError):
        message = _("“%(value)s” does not fit in the field “%(field)s”.")
        raise ValidationError({"changes": message % {"value": text, "field": name}}) from None
    faults = wording_faults(text)
    if faults:
        message = _("Dossiers do not say “%(phrase)s”: nobody could prove it.")
        raise ValidationError({"changes": message % {"phrase": faults[0]}})
    if name != "lim" and not text:
        raise ValidationError({"changes": _("The field “%s” says something.") % name})
    return fitting


def _draft(tenant: Tenant, row: FactReview) -> Draft:
    """The record: which row and what was done in clear, what it says now as sealed content."""
    statement = {"changes": row.changes, "source": row.source, "ground": row.ground}
    overridden = row.act == FactReview.Act.OVERRIDDEN
    return Draft(
        organisation_id=tenant.organisation_id,
        kind=Kind.FACT_OVERRIDDEN if overridden else Kind.FACT_CONFIRMED,
        actor=tenant.actor,
        body={
            "lexcustis.fact.file": row.file,
            "lexcustis.fact.key": row.key,
            "lexcustis.fact.grade": row.grade,
        },
        content={
            "statement": Text(
                json.dumps(statement, ensure_ascii=False, sort_keys=True), media="application/json"
            )
        },
        at=row.reviewed_at,
    )
