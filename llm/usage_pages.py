"""Budgets and usage as pages show them: names instead of identifiers, and words for amounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from llm import budgets, usage
from llm.models import Budget
from llm.regions import region_of
from orgs.models import ApiKey, User
from orgs.tenancy import Tenant

GROUPS = {
    "day": gettext_lazy("day"),
    "provider": gettext_lazy("provider"),
    "model": gettext_lazy("model"),
    "region": gettext_lazy("region"),
    "user": gettext_lazy("person"),
    "api_key": gettext_lazy("API key"),
}
_SHOWN_AT_MOST = 50
_COUNTS = (
    "calls",
    "completed",
    "input_tokens",
    "output_tokens",
    "estimated_calls",
    "unpriced_calls",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One subject's standing: who, and how much of the limit in the current period."""

    name: str
    standing: budgets.Standing

    @property
    def words(self) -> str:
        """How much is used, and how much is left."""
        budget = self.standing.budget
        return _("%(used)s of %(limit)s %(unit)s used, %(left)s left") % {
            "used": _amount(self.standing.used),
            "limit": _amount(budget.limit),
            "unit": budget.get_unit_display(),
            "left": _amount(self.standing.left),
        }

    @property
    def percent(self) -> int:
        """The used part of the limit, at most 100."""
        limit, used = self.standing.budget.limit, self.standing.used
        if used >= limit:
            return 100
        return int(used * 100 / limit)

    def as_html(self) -> str:
        """The words, and a bar that repeats them."""
        return format_html(
            '<svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
            '<rect class="bar-ground" width="100" height="4"/>'
            '<rect class="{}" width="{}" height="4"/></svg>{}{}',
            "bar-bad" if self.percent >= 80 else "bar",
            str(self.percent),
            f"{self.name}: " if self.name else "",
            self.words,
        )


@dataclass(frozen=True, slots=True)
class UsagePage:
    """A usage table with its sums; costs by currency."""

    rows: list[usage.UsageRow]
    calls: int
    input_tokens: int
    output_tokens: int
    costs: list[tuple[str, Decimal]]
    unpriced_calls: int


def lines(tenant: Tenant) -> dict[UUID, list[Line]]:
    """By budget, the standing of each of its subjects, the most used first."""
    found = budgets.standings(tenant)
    names = _names(tenant, (standing.subject_id for standing in found))
    by_budget: dict[UUID, list[Line]] = defaultdict(list)
    for standing in sorted(found, key=lambda one: -one.used):
        by_whole = standing.budget.scope == Budget.Scope.ORGANISATION
        name = "" if by_whole else names.get(standing.subject_id, str(standing.subject_id))
        by_budget[standing.budget.pk].append(Line(name, standing))
    return by_budget


def summary(budget: Budget, found: Sequence[Line]) -> str:
    """The most used standing of a budget, and how many more there are."""
    if not budget.is_active:
        return _("not counted: the budget is switched off")
    if not found:
        return _("nothing used yet")
    if len(found) == 1:
        return found[0].as_html()
    more = _("and %(count)d with less") % {"count": len(found) - 1}
    return format_html('{}<br><span class="muted small">{}</span>', found[0].as_html(), more)


def details(budget: Budget, found: Sequence[Line]) -> str:
    """The standing of each subject, fifty at most."""
    if len(found) < 2:
        return summary(budget, found)
    items = ((line.as_html(),) for line in found[:_SHOWN_AT_MOST])
    return format_html('<ul class="plain">{}</ul>', format_html_join("", "<li>{}</li>", items))


def usage_page(tenant: Tenant, *, since: date, until: date, group_by: str) -> UsagePage:
    """The usage of a period, with names. Raises ``ValidationError``."""
    rows = usage.usage_table(tenant, since=since, until=until, group_by=[group_by])
    labels = _labels(tenant, group_by, {row.groups[group_by] for row in rows})
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.cost is not None:
            costs[row.currency] += row.cost
    return UsagePage(
        [
            replace(row, groups={group_by: labels[row.groups[group_by]]})
            for row in _with_priceless(rows)
        ],
        sum(row.calls for row in rows),
        sum(row.input_tokens for row in rows),
        sum(row.output_tokens for row in rows),
        sorted(costs.items()),
        sum(row.unpriced_calls for row in rows),
    )


def _with_priceless(rows: Iterable[usage.UsageRow]) -> list[usage.UsageRow]:
    """Calls without a cost stand with those of their group that have one, if there are any."""
    joined: list[usage.UsageRow] = []
    for row in rows:
        before = joined[-1] if joined else None
        if before is None or before.currency or before.groups != row.groups:
            joined.append(row)
            continue
        sums = {name: getattr(before, name) + getattr(row, name) for name in _COUNTS}
        joined[-1] = replace(row, **sums)
    return joined


def _labels(tenant: Tenant, group_by: str, values: Iterable[str]) -> dict[str, str]:
    if group_by in ("user", "api_key"):
        names = _names(tenant, (UUID(value) for value in values if value))
        none = _("no key: a person in the browser")
        return {value: names.get(UUID(value), value) if value else none for value in values}
    nowhere = _("nowhere: refused")
    if group_by == "region":
        return {value: region_of(value).name if value else nowhere for value in values}
    return {value: value or nowhere for value in values}


def _names(tenant: Tenant, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Names of people, who may have left since, and of keys of the tenant's organisation.

    The ids come from the organisation's own calls and accounts.
    """
    wanted = set(ids)
    people = User.objects.filter(pk__in=wanted)
    keys = ApiKey.objects.for_tenant(tenant).filter(pk__in=wanted)
    names = {user.pk: f"{user.name} ({user.email})" for user in people}
    return names | {key.pk: str(key) for key in keys}


def _amount(value: Decimal) -> str:
    """Whole numbers with groups, others with up to four decimals."""
    rounded = value.quantize(Decimal("0.0001"))
    shown = f"{rounded:,.4f}".rstrip("0").rstrip(".")
    return shown.replace(",", "\u202f")
