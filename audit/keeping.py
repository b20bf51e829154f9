"""What keeps a ledger going: partitions ahead of time, and a sign of life in idle logs."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from audit.kinds import Kind
from audit.ledger import Draft, append
from audit.models import Log
from orgs.changes import SYSTEM

# A log in which nothing happens says so each hour, so that a tail that was cut off shows.
HEARTBEAT_EVERY = timedelta(hours=1)


def make_partitions() -> int:
    """Make the monthly partitions of the months to come; return how many were missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_make_partitions(now()::date, (now() + interval '4 months')::date)"
        )
        return int(cursor.fetchone()[0])


def beat_hearts() -> int:
    """Append a heartbeat to every log that was idle for an hour; return how many."""
    due = timezone.now() - HEARTBEAT_EVERY
    newest: dict[object, Log] = {}
    for log in Log.unscoped.order_by("epoch"):  # every organisation's log beats
        newest[log.organisation_id] = log
    idle = [log for log in newest.values() if (log.sealed_at or log.created_at) < due]
    for log in idle:
        with transaction.atomic():
            claimed = Log.unscoped.select_for_update(  # the other worker beats this one
                skip_locked=True
            ).filter(Q(sealed_at=None) | Q(sealed_at__lt=due), pk=log.pk)
            if claimed.exists():
                seconds = int(HEARTBEAT_EVERY.total_seconds())
                body = {"lexcustis.heartbeat.seconds": seconds}
                append(Draft(log.organisation_id, Kind.LOG_HEARTBEAT, SYSTEM, body))
    return len(idle)
