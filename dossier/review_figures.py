"""What the log says of reviews (Art. 14, Art. 26(2)): how many, how decided, how fast, and why.

Automation bias (Art. 14(4)(b)) shows in no single decision, only in figures over many.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from audit.kinds import Kind
from audit.models import RecordIndex
from dossier.said_records import said_in
from oversight.review_figures import HASTY_SECONDS

DECISIONS = (
    Kind.OVERSIGHT_ACCEPTED.value,
    Kind.OVERSIGHT_MODIFIED.value,
    Kind.OVERSIGHT_REJECTED.value,
)
_SECONDS, _REASON = "lexcustis.review.seconds", "lexcustis.review.reason"


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """The reviews of a period, as of one moment.

    ``waiting`` are those not decided at the end, ``waiting_before`` those of them that were asked
    for before the period. ``seconds`` counts decisions by the whole seconds from taking up to
    deciding, ``reasons`` by the reason that was given; ``unread`` are the decisions whose records
    are gone or changed, which both leave out.
    """

    waiting: int
    waiting_before: int
    reviewers: int
    seconds: Mapping[int, int]
    reasons: Mapping[str, int]
    unread: int

    @property
    def timed(self) -> int:
        """Decisions whose seconds are known."""
        return sum(self.seconds.values())

    @property
    def median(self) -> int | float | None:
        """The median of the seconds, None without a decision."""
        if not self.seconds:
            return None
        middle = statistics.median(Counter(self.seconds).elements())
        return int(middle) if middle == int(middle) else middle

    @property
    def clicked(self) -> int:
        """Decisions within :data:`HASTY_SECONDS`."""
        return sum(count for seconds, count in self.seconds.items() if seconds <= HASTY_SECONDS)


def review_figures(organisation_id: UUID, opens: datetime, until: datetime) -> ReviewFigures:
    """The figures of the time from *opens* to before *until*, from the records of that time."""
    rows = RecordIndex.objects.for_organisation(organisation_id).filter(at__lt=until)
    seconds: Counter[int] = Counter()
    reasons: Counter[str] = Counter()
    reviewers, unread = set(), 0
    for decision in said_in(rows.filter(kind__in=DECISIONS, at__gte=opens)):
        reviewers.add(decision.actor_id)
        took = decision.number(_SECONDS)
        if took is None:
            unread += 1
            continue
        seconds[took] += 1
        reasons[decision.text(_REASON)] += 1
    # Of one answer one review is open at a time, so a later decision on it decides this one.
    decided = rows.filter(
        kind__in=DECISIONS, request_id=OuterRef("request_id"), at__gte=OuterRef("at")
    )
    asked = rows.filter(kind=Kind.OVERSIGHT_REQUESTED.value)
    waiting = asked.filter(~Exists(decided)).order_by()
    return ReviewFigures(
        waiting=waiting.count(),
        waiting_before=waiting.filter(at__lt=opens).count(),
        reviewers=len(reviewers),
        seconds=dict(sorted(seconds.items())),
        reasons=dict(sorted(reasons.items())),
        unread=unread,
    )
