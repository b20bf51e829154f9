"""What was used and what it cost, added up from the calls themselves: nothing can drift."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db.models import Count, F, Q, Sum, Value
from django.db.models.functions import Coalesce, NullIf, TruncDate
from django.utils.translation import gettext as _

from llm.models import Inference
from orgs.models import Organisation
from orgs.roles import Permission
from orgs.tenancy import Tenant

# What a table may be grouped by, and the expression behind each name.
GROUPS = ("day", "provider", "model", "region", "user", "api_key")
_MOST_ROWS = 10_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One row: the values of its groups, then counts. ``cost`` is None where no price is known."""

    groups: dict[str, str]
    calls: int
    completed: int
    input_tokens: int
    output_tokens: int
    estimated_calls: int
    unpriced_calls: int
    cost: Decimal | None
    currency: str


def usage_table(
    tenant: Tenant, *, since: date, until: date, group_by: Sequence[str] = ("day",)
) -> list[UsageRow]:
    """Calls that began from *since* to *until*, both included, in the organisation's time zone.

    Costs in different currencies stand in rows of their own. Raises ``ValidationError``.
    """
    tenant.require(Permission.USAGE_READ)
    return usage_of_organisation(
        tenant.organisation, since=since, until=until, group_by=group_by, most=_MOST_ROWS
    )


def usage_of_organisation(
    organisation: Organisation,
    *,
    since: date,
    until: date,
    group_by: Sequence[str],
    most: int | None,
) -> list[UsageRow]:
    """The same table for the clock, which asks on nobody's behalf; *most* None: all rows."""
    zone = ZoneInfo(organisation.time_zone)
    names = _checked(since, until, group_by)
    groups = {f"by_{name}": _expression(name, zone) for name in names}
    begun = Inference.objects.for_organisation(organisation.pk).filter(
        started_at__gte=datetime.combine(since, time.min, zone),
        started_at__lt=datetime.combine(until + timedelta(days=1), time.min, zone),
    )
    rows = (
        begun.annotate(**groups)
        .values(*groups, "currency")
        .annotate(
            calls=Count("pk"),
            completed=Count("pk", filter=Q(state=Inference.State.COMPLETED)),
            tokens_in=Coalesce(Sum("input_tokens"), 0),
            tokens_out=Coalesce(Sum("output_tokens"), 0),
            estimated=Count("pk", filter=Q(usage_source="estimated")),
            unpriced=Count("pk", filter=Q(cost=None, input_tokens__isnull=False)),
            total=Sum("cost"),
        )
        .order_by(*groups, "currency")[:most]
    )
    return [_row(row, names) for row in rows]


def as_csv(rows: Sequence[UsageRow], group_by: Sequence[str]) -> str:
    """The table as CSV (RFC 4180), safe to open in a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    counts = ("calls", "completed", "input_tokens", "output_tokens", "estimated_calls")
    writer.writerow([*group_by, *counts, "unpriced_calls", "cost", "currency"])
    for row in rows:
        writer.writerow(
            [
                *(_harmless(row.groups[name]) for name in group_by),
                *(getattr(row, name) for name in counts),
                row.unpriced_calls,
                "" if row.cost is None else format(row.cost, "f"),
                row.currency,
            ]
        )
    return text.getvalue()


def _checked(since: date, until: date, group_by: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(group_by))
    unknown = [name for name in names if name not in GROUPS]
    if unknown or not names:
        raise ValidationError(_("Group by: %(groups)s.") % {"groups": ", ".join(GROUPS)})
    if until < since or until - since > timedelta(days=3660):
        raise ValidationError(_("The period ends before it begins, or is longer than ten years."))
    return names


def _expression(name: str, zone: ZoneInfo) -> Any:
    if name == "day":
        return TruncDate("started_at", tzinfo=zone)
    if name == "model":
        return Coalesce(NullIf("response_model", Value("")), "requested_model")
    fields = {
        "provider": "provider_name",
        "region": "data_region",
        "user": "user_id",
        "api_key": "api_key_id",
    }
    return F(fields[name])


def _row(row: dict[str, Any], names: Sequence[str]) -> UsageRow:
    groups = {name: "" if row[f"by_{name}"] is None else str(row[f"by_{name}"]) for name in names}
    return UsageRow(
        groups,
        row["calls"],
        row["completed"],
        row["tokens_in"],
        row["tokens_out"],
        row["estimated"],
        row["unpriced"],
        row["total"],
        row["currency"],
    )


def _harmless(value: str) -> str:
    """A spreadsheet runs cells that begin like a formula, some also those in wide characters."""
    return f"'{value}" if value.startswith(_FORMULA) else value
