"""Months of content that are over for everybody go as whole tables.

Emptying a table row by row costs as much as filling it did. Where every text of a past month has
expired and none is held, the records that say so are appended and the month's partition is dropped,
in one transaction; the database checks both. Records, commitments, positions and roots stand in
other tables and stay.
"""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

import structlog
from django.db import Error, connection, transaction

from audit.erasure import Ground, Places, batches
from audit.kinds import Kind
from audit.ledger import Draft, append
from orgs.changes import SYSTEM

logger = structlog.get_logger(__name__)

# Months that never held anything cost nothing and stay.
_PAST = """
SELECT name, audit_first_id(month), audit_first_id(month + interval '1 month')
FROM (SELECT relname AS name, pg_class.oid AS oid,
             to_date(right(relname, 7), 'YYYY_MM')::timestamp AT TIME ZONE 'UTC' AS month
      FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
      WHERE inhparent = 'audit_content'::regclass
        AND relname ~ '^audit_content_[0-9]{4}_[0-9]{2}$') AS partition
WHERE month + interval '1 month' <= now() AND pg_relation_size(oid) > 0
ORDER BY name
"""
_TEXTS = """
SELECT organisation_id, record_id, slot FROM audit_content
WHERE record_id >= %s AND record_id < %s LIMIT %s
"""

Texts = dict[UUID, list[tuple[UUID, str]]]


def months_that_expired(free: Places) -> dict[str, Texts]:
    """The past months of which every text is among *free*: those texts, by organisation.

    *free* names the slots, as (record id, slot), that have expired and are not held.
    """
    gone = set(free)
    months = {}
    for name, first, end in _past_months():
        # One more than could be gone tells enough of a month that stays.
        rows = _texts(first, end, at_most=len(gone) + 1)
        if all((record_id, slot) in gone for _organisation, record_id, slot in rows):
            months[name] = _by_organisation(rows)
    return months


def drop_month(name: str, texts: Texts) -> bool:
    """Record that these texts have expired and drop their partition; whether that succeeded.

    It does not where somebody reads the month just now, or something in it changed: it then stands
    as it was, and is looked at again the next time.
    """
    try:
        with transaction.atomic():
            for organisation_id, places in texts.items():
                for entries in batches(places):
                    body = {
                        "lexcustis.erased": entries,
                        "lexcustis.ground": Ground.RETENTION.value,
                    }
                    append(Draft(organisation_id, Kind.CONTENT_EXPIRED, SYSTEM, body))
            with connection.cursor() as cursor:
                cursor.execute("SELECT audit_drop_expired(%s)", [name])
    except Error as error:
        logger.warning("prune.month_stays", month=name, reason=str(error).split("\n")[0])
        return False
    return True


def _past_months() -> list[tuple[str, UUID, UUID]]:
    """The partitions whose month is over, the oldest first: name, first id, first id after."""
    with connection.cursor() as cursor:
        cursor.execute(_PAST)
        months: list[tuple[str, UUID, UUID]] = cursor.fetchall()
        return months


def _texts(first: UUID, end: UUID, *, at_most: int) -> list[tuple[UUID, UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(_TEXTS, [first, end, at_most])
        rows: list[tuple[UUID, UUID, str]] = cursor.fetchall()
        return rows


def _by_organisation(rows: list[tuple[UUID, UUID, str]]) -> Texts:
    texts: Texts = defaultdict(list)
    for organisation_id, record_id, slot in rows:
        texts[organisation_id].append((record_id, slot))
    return texts
