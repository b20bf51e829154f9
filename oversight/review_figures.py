"""What the reviews of the last days say of the reviewers: Art. 14(4)(b), automation bias.

One decision shows nothing of it. Somebody who accepts all, each within seconds, shows in figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Aggregate, Count, FloatField, Q
from django.utils import timezone

from orgs.roles import Permission
from orgs.tenancy import Tenant
from oversight.models import Review

DAYS = 30
# Who decides within so many seconds has hardly read question and answer.
HASTY_SECONDS = 3
# From so many decisions on, of which so many per cent are hasty, it is worth a word.
_ENOUGH, _STRIKING_PERCENT = 5, 50
_State = Review.State


@dataclass(frozen=True, slots=True)
class ReviewerFigures:
    """The decisions of one reviewer within the last :data:`DAYS` days."""

    name: str
    decided: int
    changed: int
    hasty: int
    median_seconds: float

    @property
    def changed_percent(self) -> int:
        """How many of a hundred answers were modified or rejected, rounded."""
        return round(100 * self.changed / self.decided)

    @property
    def hasty_percent(self) -> int:
        """How many of a hundred decisions took :data:`HASTY_SECONDS` seconds or less, rounded."""
        return round(100 * self.hasty / self.decided)

    @property
    def is_striking(self) -> bool:
        """Whether so many decisions were so fast that somebody should ask how they were made."""
        return self.decided >= _ENOUGH and self.hasty_percent >= _STRIKING_PERCENT


class _Median(Aggregate):
    """PostgreSQL's continuous median: of an even number, the middle between two."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def figures_of(tenant: Tenant, now: datetime | None = None) -> list[ReviewerFigures]:
    """The reviewers who decided lately, the busiest first, in one query. Needs ``review``."""
    tenant.require(Permission.REVIEW)
    since = (now or timezone.now()) - timedelta(days=DAYS)
    decided = Review.objects.for_tenant(tenant).filter(
        state__in=Review.DECIDED, decided_at__gte=since
    )
    rows = (
        decided.order_by()
        .values_list("reviewer__name", "reviewer__email", "reviewer_id")
        .annotate(
            decided=Count("pk"),
            changed=Count("pk", filter=Q(state__in=[_State.MODIFIED, _State.REJECTED])),
            hasty=Count("pk", filter=Q(seconds__lte=HASTY_SECONDS)),
            median=_Median("seconds"),
        )
    )
    found = [
        ReviewerFigures(name or email, decided, changed, hasty, median)
        for name, email, _reviewer, decided, changed, hasty, median in rows
    ]
    return sorted(found, key=lambda row: (-row.decided, row.name))
