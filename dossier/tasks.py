"""Celery's view of dossiers: find the work, call one function."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from dossier import production, scheduling, upstream_requests

# Below the hard limit of all tasks: work that takes too long ends as a failed attempt, not a kill.
SOFT_LIMIT_SECONDS = 3000


@shared_task
def tick() -> None:
    """Look for schedules that are due and for dossiers that wait. Every minute."""
    scheduling.tick()


@shared_task
def remind_of_requests() -> None:
    """Remind officers of requests to model makers that got no answer in time. Every hour."""
    upstream_requests.remind_due()


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS)
def render(dossier_id: str) -> None:
    """Make one dossier, unless it is made or being made."""
    production.render(UUID(dossier_id))


@shared_task
def clear_leftovers() -> None:
    """Delete what killed workers stored. Every hour."""
    production.clear_leftovers()
