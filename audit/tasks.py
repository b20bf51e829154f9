"""What the clock does for the ledger."""

from __future__ import annotations

from celery import shared_task

from audit.keeping import beat_hearts, make_partitions
from audit.retention import prune


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator,unused-ignore]
def keep_ledger() -> None:
    """Make partitions ahead of time, let idle logs show that they live, let content expire."""
    make_partitions()
    beat_hearts()
    prune()
