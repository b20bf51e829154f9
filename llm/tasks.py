"""What the clock asks of this app."""

from __future__ import annotations

from celery import shared_task

from llm import billing, billing_delivery, budgets, interrupted


@shared_task(name="llm.tasks.close_interrupted")
def close_interrupted() -> int:
    """End the inferences that a dead process left open."""
    return interrupted.close_expired()


@shared_task(name="llm.tasks.compact_budgets")
def compact_budgets() -> int:
    """Fold settled entries of budgets into their accounts."""
    return budgets.compact()


@shared_task(name="llm.tasks.report_usage")
def report_usage() -> int:
    """Enter reports of days that are over, and send what is due."""
    billing.enter_due()
    return billing_delivery.deliver_due()
