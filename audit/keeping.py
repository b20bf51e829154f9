"""What keeps a ledger going: partitions ahead of time, and a sign of life in idle logs."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.utils import timezone

from audit.key_history import announce_keys
from audit.kinds import Kind
from audit.ledger import Draft, append
from audit.models import Log, RecordIndex
from audit.signer import SignerUnavailable
from orgs.changes import SYSTEM

logger = structlog.get_logger(__name__)

# A log in which nothing happens says so each hour, so that a tail that was cut off shows.
HEARTBEAT_EVERY = timedelta(hours=1)
_LOCK = 0x4C5A


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
            if _claimed(log, due):
                seconds = int(HEARTBEAT_EVERY.total_seconds())
                body = {"lexcustis.heartbeat.seconds": seconds}
                append(Draft(log.organisation_id, Kind.LOG_HEARTBEAT, SYSTEM, body))
    return len(idle)


def announce_new_keys() -> int:
    """Record in every log, and mail, that the signer has other keys; return how many records."""
    try:
        return announce_keys()
    except (SignerUnavailable, OSError) as error:
        logger.warning("keys.not_announced", error=str(error))
        return 0


def _claimed(log: Log, due: datetime) -> bool:
    """Whether this log is still idle, and no other worker is about to beat its heart."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, log.number])
        if not cursor.fetchone()[0]:
            return False
    waiting = RecordIndex.objects.for_organisation(log.organisation_id).filter(written_at__gt=due)
    return not waiting.filter(kind=Kind.LOG_HEARTBEAT).exists()
