"""How long the work on a dossier will still take: an estimate for the person who waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from dossier.models import Dossier

_ENOUGH_PERCENT = 10


def seconds_left(dossier: Dossier, now: datetime | None = None) -> int | None:
    """Whole seconds, at least 1; None where nobody works on it or nothing can be said yet.

    The longer of two guesses: as much again as the rest is of what is done, and what the
    organisation's last dossier of the kind took.
    """
    now = now or timezone.now()
    if not is_alive(dossier, now) or dossier.started_at is None:
        return None
    elapsed = (now - dossier.started_at).total_seconds()
    guesses = []
    if dossier.percent >= _ENOUGH_PERCENT:
        guesses.append(elapsed * (100 - dossier.percent) / dossier.percent)
    last = _last_of_the_kind(dossier)
    if last is not None:
        guesses.append(last.total_seconds() - elapsed)
    return max(1, round(max(guesses))) if guesses else None


def is_alive(dossier: Dossier, now: datetime | None = None) -> bool:
    """Whether a worker works on it and has said so within its lease."""
    expires = dossier.lease_expires_at
    return (
        dossier.state == Dossier.State.RUNNING
        and expires is not None
        and expires > (now or timezone.now())
    )


def _last_of_the_kind(dossier: Dossier) -> timedelta | None:
    rows = Dossier.objects.for_organisation(dossier.organisation_id).filter(
        kind=dossier.kind, started_at__isnull=False, published_at__isnull=False
    )
    last = rows.order_by("-published_at").values_list("started_at", "published_at").first()
    return last[1] - last[0] if last and last[0] and last[1] else None
