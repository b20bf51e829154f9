"""What the clock asks of this app."""

from __future__ import annotations

from celery import shared_task

from llm import budgets, interrupted


@shared_task(name="llm.tasks.close_interrupted")
def close_interrupted() -> int:
    """End the inferences that a dead process left open."""
    return interrupted.close_expired()


@shared_task(name="llm.tasks.compact_budgets")
def compact_budgets() -> int:
    """Fold settled entries of budgets into their accounts."""
    return budgets.compact()
