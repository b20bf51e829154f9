"""What the clock does for the ledger."""

from __future__ import annotations

from celery import shared_task

from audit.keeping import announce_new_keys, beat_hearts, make_partitions
from audit.retention import prune


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator,unused-ignore]
def keep_ledger() -> None:
    """Make partitions, let idle logs show that they live, announce keys, let content expire."""
    make_partitions()
    beat_hearts()
    announce_new_keys()
    prune()
