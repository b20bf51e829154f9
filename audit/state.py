"""How a log and its sealer are doing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from audit.anchors import anchoring_state
from audit.anchors import problems as anchoring_problems
from audit.checkpoints import latest_of_log
from audit.logs import current_log
from audit.models import Log, SealState, Verification
from audit.signer import SignerUnavailable, signer

STOPPED_AFTER = timedelta(seconds=30)

_BACKLOG = """
SELECT count(*), min(written_at) FROM audit_record AS record
LEFT JOIN audit_recordindex AS found ON found.record_id = record.id
WHERE record.log_number = %(log)s AND record.xid >= %(from)s::text::xid8
"""
_SLOW_TRANSACTIONS = """
SELECT pid, coalesce(nullif(application_name, ''), 'unnamed'),
       extract(epoch FROM now() - xact_start)::integer
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND xact_start < now() - interval '10 seconds'
ORDER BY xact_start LIMIT 5
"""
_WITHOUT_SEALER = """
SELECT EXISTS (
    SELECT FROM audit_log AS log WHERE log.origin = ANY(%s) AND NOT EXISTS (
        SELECT FROM audit_sealstate AS state
        WHERE state.looked_at > %s
          AND log.number %% split_part(state.shard, '/', 2)::integer
              = split_part(state.shard, '/', 1)::integer))
"""


@dataclass(frozen=True, slots=True)
class LedgerState:
    """The state of one organisation's log. ``problems`` is empty when all is well."""

    origin: str
    size: int
    signed_size: int
    backlog: int
    oldest_unsealed_seconds: float
    last_checkpoint_at: datetime | None
    root_hex: str
    anchoring: str
    last_verification: Verification | None
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SealerState:
    """The state of this instance's sealer and signer."""

    looked_at: datetime | None
    is_running: bool
    problems: list[str]


def ledger_state(organisation_id: UUID) -> LedgerState:
    """How the organisation's log is doing."""
    log = current_log(organisation_id)
    backlog, oldest = _backlog(log)
    waited = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    checkpoint = latest_of_log(log.number)
    verification = Verification.objects.for_organisation(organisation_id).first()
    problems = [log.trouble] if log.trouble else []
    problems += anchoring_problems(organisation_id)
    if verification is not None and verification.valid is False:
        problems.append("The last verification found the log not valid.")
    if waited > STOPPED_AFTER.total_seconds():
        problems.append(f"The oldest unsealed record has waited {waited:.0f} seconds.")
        problems += _delays(log)
    return LedgerState(
        origin=log.origin,
        size=log.size,
        signed_size=log.signed_size,
        backlog=backlog,
        oldest_unsealed_seconds=max(waited, 0.0),
        last_checkpoint_at=checkpoint.at if checkpoint else None,
        root_hex=bytes(log.root).hex(),
        anchoring=anchoring_state(organisation_id),
        last_verification=verification,
        problems=problems,
    )


def _delays(log: Log) -> list[str]:
    """Why sealing is late, in what one organisation may know: nothing of other logs (P4)."""
    problems = [] if _is_running(_shard()) else ["The sealer does not run."]
    if _slow_transactions():
        problems.append("A long transaction in the database holds up sealing.")
    try:
        head = signer().heads([log.origin]).get(log.origin)
    except (SignerUnavailable, OSError):
        return [*problems, "The signer cannot be reached."]
    if head is not None and head.size > log.size:
        problems.append("The database was rolled back: the signer has signed more than it holds.")
    return problems


def sealer_state() -> SealerState:
    """For the operator: whether sealing works, what holds it up, and what the signer knows."""
    state = _shard()
    is_running = _is_running(state)
    problems = [] if is_running else ["The sealer does not run: start 'manage.py seal'."]
    problems += [
        f"A transaction holds up sealing: process {pid} ({name}), open for {seconds} s."
        for pid, name, seconds in _slow_transactions()
    ]
    return SealerState(state.looked_at if state else None, is_running, problems + _behind_signer())


def is_sealing(origins: Iterable[str]) -> bool:
    """Whether a sealer has looked lately at each of these logs. No other log matters (P4)."""
    since = timezone.now() - STOPPED_AFTER
    with connection.cursor() as cursor:
        cursor.execute(_WITHOUT_SEALER, [list(origins), since])
        return not cursor.fetchone()[0]


def _shard() -> SealState | None:
    """The shard that was looked at longest ago."""
    return SealState.objects.order_by("looked_at").first()


def _is_running(state: SealState | None) -> bool:
    return state is not None and timezone.now() - state.looked_at < STOPPED_AFTER


def _slow_transactions() -> list[tuple[int, str, int]]:
    """Process, name and age in seconds of each transaction that holds up sealing."""
    with connection.cursor() as cursor:
        cursor.execute(_SLOW_TRANSACTIONS)
        rows: list[tuple[int, str, int]] = cursor.fetchall()
    return rows


def _behind_signer() -> list[str]:
    """Where the signer remembers more than the database has: it was rolled back or replaced."""
    try:
        heads = signer().all_heads()
    except (SignerUnavailable, OSError) as error:
        return [f"The signer cannot be reached: {error}"]
    sizes = dict(
        Log.unscoped.values_list(  # the instance's state, shown to its operator
            "origin", "size"
        )
    )
    unknown = [origin for origin in heads if origin not in sizes]
    behind = [origin for origin, head in heads.items() if head.size > sizes.get(origin, head.size)]
    problems = []
    if unknown:
        problems.append(
            f"The signer has signed {len(unknown)} logs that this database does not have: "
            "it was rolled back, or replaced while the signer's store was kept."
        )
    problems += [
        f"The database was rolled back: of {origin} the signer has signed more than it holds."
        for origin in behind
    ]
    return problems


def _backlog(log: Log) -> tuple[int, datetime | None]:
    state = SealState.objects.order_by("next_xid").first()
    with connection.cursor() as cursor:
        cursor.execute(_BACKLOG, {"log": log.number, "from": state.next_xid if state else 0})
        count, oldest = cursor.fetchone()
    if state is not None and state.next_xid < state.check_until:
        # After a restore transactions do not tell; what is counted includes sealed records.
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM audit_record WHERE log_number = %s", [log.number])
            count = cursor.fetchone()[0] - log.size
        oldest = oldest if count else None
    return count, oldest
