"""Checkpoints: tree heads that the signer has signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from audit.logs import current_log
from audit.models import Checkpoint, Log
from audit.notes import Head
from audit.signer import Refusal, Request, Signer, signer
from audit.tree import consistency_proofs
from orgs.trips import ask_together

logger = structlog.get_logger(__name__)

_LOCK = 0x4C59
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%s, %s)"
_UNSIGNED = """
SELECT number, origin, size, root, trouble FROM audit_log
WHERE size > signed_size AND number %% %s = %s ORDER BY number
"""
_KEEP = """
INSERT INTO audit_checkpoint (log_number, size, root, note, at)
SELECT kept.*, %s FROM unnest(%b::integer[], %b::bigint[], %b::bytea[], %b::text[]) AS kept
"""
_SIGNED = """
UPDATE audit_log SET signed_size = signed.size, trouble = ''
FROM unnest(%b::integer[], %b::bigint[]) AS signed(number, size)
WHERE audit_log.number = signed.number
"""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a log's tree grew in a round, and the proof that the larger one begins with the other."""

    old_size: int
    new_size: int
    proof: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Unsigned:
    """A stored head that waits for the signer."""

    number: int
    origin: str
    size: int
    root: bytes
    trouble: str


def latest(organisation_id: UUID) -> Checkpoint | None:
    """The newest checkpoint of the organisation's current log."""
    return latest_of_log(current_log(organisation_id).number)


def latest_of_log(log_number: int) -> Checkpoint | None:
    """The newest checkpoint of a log."""
    return Checkpoint.objects.filter(log_number=log_number).order_by("-size", "-id").first()


def verification_key() -> str:
    """The vkey that checks this instance's checkpoints: give it to auditors by another way."""
    return signer().verification_keys()[0]


def sign_heads(
    grown: Mapping[int, Growth] | None = None, *, shard: int = 0, shards: int = 1
) -> tuple[int, list[str]]:
    """Have the signer sign every head that moved, and keep its checkpoints.

    *grown* says how logs, by number, grew just now: where the signer is as far as they were before,
    the stored tree need not be read. Returns how many were signed, and what stood in the way of
    others.
    """
    problems: list[str] = []
    with transaction.atomic():
        # Heads are read behind the lock, by a statement of its own: another's work is then done.
        locked, rows = ask_together(
            (_TRY_LOCK, [_LOCK, shards * 1000 + shard]), (_UNSIGNED, [shards, shard])
        )
        if not locked[0][0] or not rows:
            return 0, problems
        logs = [_Unsigned(*row) for row in rows]
        authority = signer()
        known = authority.heads(log.origin for log in logs)
        requests = _requests(logs, known, grown or {}, problems)
        return _keep(authority, requests, problems), problems


def _keep(authority: Signer, requests: list[tuple[_Unsigned, Request]], problems: list[str]) -> int:
    signed: list[tuple[int, int, bytes, str]] = []
    answers = authority.sign([request for _log, request in requests])
    for (log, request), answer in zip(requests, answers, strict=True):
        if isinstance(answer, Refusal):
            _trouble(log, f"The signer refused: {answer.reason}.", problems)
            continue
        signed.append((log.number, request.head.size, request.head.root, answer))
    if signed:
        columns = [list(column) for column in zip(*signed, strict=True)]
        ask_together((_KEEP, [timezone.now(), *columns]), (_SIGNED, columns[:2]))
    return len(signed)


def _requests(
    logs: Sequence[_Unsigned],
    known: Mapping[str, Head],
    grown: Mapping[int, Growth],
    problems: list[str],
) -> list[tuple[_Unsigned, Request]]:
    """What to ask the signer, leaving out logs of which the database is behind the signer."""
    requests, unproven = [], []
    for log in logs:
        old_size = known[log.origin].size if log.origin in known else 0
        growth = grown.get(log.number)
        if old_size > log.size:
            message = (
                f"The database was rolled back: it holds {log.size} records of this log, "
                f"and the signer has signed {old_size}."
            )
            _trouble(log, message, problems)
        elif growth is not None and (growth.old_size, growth.new_size) == (old_size, log.size):
            requests.append((log, _request(log, old_size, growth.proof)))
        else:
            unproven.append((log, old_size))
    proofs = consistency_proofs((log.number, old_size, log.size) for log, old_size in unproven)
    for (log, old_size), proof in zip(unproven, proofs, strict=True):
        if proof is None:
            _trouble(log, "The stored tree is not complete.", problems)
        else:
            requests.append((log, _request(log, old_size, proof)))
    return requests


def _request(log: _Unsigned, old_size: int, proof: Sequence[bytes]) -> Request:
    return Request(Head(log.origin, log.size, log.root), old_size, proof)


def _trouble(log: _Unsigned, message: str, problems: list[str]) -> None:
    problems.append(f"{log.origin}: {message}")
    if log.trouble != message:
        logger.error("seal.trouble", origin=log.origin, problem=message)
        Log.unscoped.filter(pk=log.number).update(  # the sealer seals everybody's
            trouble=message
        )
