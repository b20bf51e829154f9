"""Checkpoints: tree heads that the signer has signed."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F

from audit.logs import current_log
from audit.models import Checkpoint, Log
from audit.notes import Head
from audit.signer import Refusal, Request, Signer, signer
from audit.tree import consistency_proofs

logger = structlog.get_logger(__name__)

_LOCK = 0x4C59
_SIGNED = """
UPDATE audit_log SET signed_size = signed.size, trouble = ''
FROM unnest(%s::integer[], %s::bigint[]) AS signed(number, size)
WHERE audit_log.number = signed.number
"""


def latest(organisation_id: UUID) -> Checkpoint | None:
    """The newest checkpoint of the organisation's current log."""
    return latest_of_log(current_log(organisation_id).number)


def latest_of_log(log_number: int) -> Checkpoint | None:
    """The newest checkpoint of a log."""
    return Checkpoint.objects.filter(log_number=log_number).order_by("-size", "-id").first()


def verification_key() -> str:
    """The vkey that checks this instance's checkpoints: give it to auditors by another way."""
    return signer().verification_keys()[0]


def sign_heads(*, shard: int = 0, shards: int = 1) -> tuple[int, list[str]]:
    """Have the signer sign every head that moved, and keep its checkpoints.

    Returns how many were signed, and what stood in the way of others.
    """
    problems: list[str] = []
    with transaction.atomic():
        logs = _unsigned(shard, shards) if _locked(shard, shards) else []
        if not logs:
            return 0, problems
        authority = signer()
        known = authority.heads(log.origin for log in logs)
        requests = _requests(logs, known, problems)
        return _keep(authority, requests, problems), problems


def _keep(authority: Signer, requests: list[tuple[Log, Request]], problems: list[str]) -> int:
    checkpoints = []
    answers = authority.sign([request for _log, request in requests])
    for (log, request), answer in zip(requests, answers, strict=True):
        if isinstance(answer, Refusal):
            _trouble(log, f"The signer refused: {answer.reason}.", problems)
            continue
        head = request.head
        checkpoints.append(
            Checkpoint(log_number=log.number, size=head.size, root=head.root, note=answer)
        )
    Checkpoint.objects.bulk_create(checkpoints)
    with connection.cursor() as cursor:
        cursor.execute(
            _SIGNED, [[it.log_number for it in checkpoints], [it.size for it in checkpoints]]
        )
    return len(checkpoints)


def _requests(
    logs: list[Log], known: dict[str, Head], problems: list[str]
) -> list[tuple[Log, Request]]:
    """What to ask the signer, leaving out logs of which the database is behind the signer."""
    asked = []
    for log in logs:
        old_size = known[log.origin].size if log.origin in known else 0
        if old_size > log.size:
            message = (
                f"The database was rolled back: it holds {log.size} records of this log, "
                f"and the signer has signed {old_size}."
            )
            _trouble(log, message, problems)
        else:
            asked.append((log, old_size))
    proofs = consistency_proofs((log.number, old_size, log.size) for log, old_size in asked)
    requests = []
    for (log, old_size), proof in zip(asked, proofs, strict=True):
        if proof is None:
            _trouble(log, "The stored tree is not complete.", problems)
        else:
            head = Head(log.origin, log.size, bytes(log.root))
            requests.append((log, Request(head, old_size, proof)))
    return requests


def _trouble(log: Log, message: str, problems: list[str]) -> None:
    problems.append(f"{log.origin}: {message}")
    if log.trouble != message:
        logger.error("seal.trouble", origin=log.origin, problem=message)
        Log.unscoped.filter(pk=log.pk).update(  # the sealer seals everybody's
            trouble=message
        )


def _unsigned(shard: int, shards: int) -> list[Log]:
    logs = Log.unscoped.filter(  # the sealer seals everybody's
        size__gt=F("signed_size")
    ).order_by("number")
    return [log for log in logs if log.number % shards == shard]


def _locked(shard: int, shards: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, shards * 1000 + shard])
        return bool(cursor.fetchone()[0])
