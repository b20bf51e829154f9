"""Celery's view of oversight: find the work, call one function."""

from __future__ import annotations

from celery import shared_task

from oversight import task_list


@shared_task(ignore_result=True)
def remind_of_tasks() -> None:
    """Remind people of tasks whose time runs out. Every five minutes."""
    task_list.remind_due()
