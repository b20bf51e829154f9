"""The audit log by API: records, proofs, checkpoints, verification."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from audit.checkpoints import latest, verification_key
from audit.hashing import leaf_hash
from audit.inclusion import NotSealedYet, prove_inclusion
from audit.logs import current_log
from audit.reading import said_by, stored_record
from audit.searching import Search, search
from audit.standing import standing_of
from audit.state import LedgerState, ledger_state
from audit.tree import StoredTree
from audit.verification import verify_and_keep
from orgs.api_auth import tenant_of_call
from orgs.roles import Permission

router = Router(tags=["audit log"])


class RecordRow(Schema):
    """A record as the index lists it."""

    id: UUID = Field(alias="record_id")
    at: datetime
    kind: str
    actor_id: str
    actor_type: str
    provider: str
    model: str
    region: str
    request_id: UUID | None


class RecordPage(Schema):
    """Records, newest first; ``next`` is the ``before`` of the next page."""

    items: list[RecordRow]
    next: str | None


class RecordDetail(Schema):
    """One record: ``record`` is what it says, ``bytes`` exactly what was hashed (base64).

    ``problem`` is empty while the stored bytes lead to the log's head. Where somebody changed them
    in the database it says so; ``record`` is null where they are no record any more.
    """

    record: dict[str, Any] | None
    bytes: str
    leaf_hash: str
    position: int | None
    problem: str


class InclusionProof(Schema):
    """A record's place in the tree of a signed checkpoint, and the path that proves it."""

    record: str = Field(description="The record's bytes, base64.")
    index: int
    size: int
    path: list[str]
    checkpoint: str
    tlog_proof: str = Field(description="The same in the format c2sp.org/tlog-proof@v1.")


class CheckpointOut(Schema):
    """The newest signed head of the log."""

    origin: str
    size: int
    root: str
    note: str
    at: datetime
    verification_key: str = Field(
        description="For convenience: an auditor takes the key from elsewhere."
    )


class ConsistencyProof(Schema):
    """The proof that the larger tree begins with the smaller one."""

    old_size: int
    new_size: int
    path: list[str]


class BadRecordOut(Schema):
    """The first record that is not what it was."""

    position: int
    record_id: str
    reason: str


class VerificationOut(Schema):
    """What a verification found, and what it did not look at."""

    valid: bool
    size: int
    entries_checked: int
    first_bad: BadRecordOut | None
    problems: list[str]
    not_checked: list[str]
    checked_at: datetime


class StateOut(Schema):
    """How the log is doing."""

    origin: str
    size: int
    signed_size: int
    backlog: int
    oldest_unsealed_seconds: float
    last_checkpoint_at: datetime | None
    root_hex: str
    anchoring: str
    problems: list[str]


@router.get("/records", response=RecordPage, summary="List records")
def list_records(request: HttpRequest, query: Annotated[Search, Query()]) -> dict[str, Any]:
    """Records of the organisation, newest first. Needs ``audit:read``."""
    page, following = search(tenant_of_call(request), query)
    return {"items": page, "next": following}


@router.get("/records/{record_id}", response=RecordDetail, summary="Read one record")
def read_record(request: HttpRequest, record_id: UUID) -> dict[str, Any]:
    """One record with its exact bytes. Needs ``audit:read``."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.AUDIT_READ)
    stored = stored_record(tenant.organisation_id, record_id)
    data = bytes(stored.bytes)
    standing = standing_of(stored.log_number, record_id, data)
    return {
        "record": said_by(data),
        "bytes": _base64(data),
        "leaf_hash": _base64(leaf_hash(data)),
        "position": standing.position,
        "problem": standing.problem,
    }


@router.get("/records/{record_id}/proof", response=InclusionProof, summary="Prove one record")
def record_proof(request: HttpRequest, record_id: UUID) -> dict[str, Any] | HttpResponse:
    """The proof that the record is in the log. 404 until it is sealed. Needs ``audit:read``."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.AUDIT_READ)
    try:
        proof = prove_inclusion(tenant.organisation_id, record_id)
    except NotSealedYet as error:
        raise Http404(str(error)) from error
    return {
        "record": _base64(proof.record),
        "index": proof.index,
        "size": proof.size,
        "path": [_base64(item) for item in proof.path],
        "checkpoint": proof.checkpoint,
        "tlog_proof": proof.tlog_proof,
    }


@router.get("/checkpoint", response=CheckpointOut, summary="The newest checkpoint")
def newest_checkpoint(request: HttpRequest) -> dict[str, Any]:
    """The newest signed head. 404 before the first. Needs ``audit:read``."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.AUDIT_READ)
    checkpoint = latest(tenant.organisation_id)
    if checkpoint is None:
        raise Http404("The log has no checkpoint yet.")
    return {
        "origin": current_log(tenant.organisation_id).origin,
        "size": checkpoint.size,
        "root": _base64(bytes(checkpoint.root)),
        "note": checkpoint.note,
        "at": checkpoint.at,
        "verification_key": verification_key(),
    }


@router.get("/consistency", response=ConsistencyProof, summary="Prove that the log only grew")
def consistency(
    request: HttpRequest,
    old_size: Annotated[int, Query(ge=0, le=2**62)],
    new_size: Annotated[int, Query(ge=0, le=2**62)],
) -> dict[str, Any]:
    """A consistency proof between two sizes of the log. Needs ``audit:read``."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.AUDIT_READ)
    log = current_log(tenant.organisation_id)
    if not old_size <= new_size <= log.signed_size:
        raise Http404(f"The log has {log.signed_size} signed records.")
    proof = StoredTree(log.number).consistency_proof(old_size, new_size)
    path = [_base64(item) for item in proof]
    return {"old_size": old_size, "new_size": new_size, "path": path}


@router.get("/verify", response=VerificationOut, summary="Verify the whole log")
def verify(request: HttpRequest) -> dict[str, Any]:
    """Verify the organisation's log from inside, and keep the report. Needs ``audit:read``."""
    report: dict[str, Any] = verify_and_keep(tenant_of_call(request)).report
    return report


@router.get("/state", response=StateOut, summary="How the log is doing")
def state(request: HttpRequest) -> LedgerState:
    """Size, backlog, lag and trouble of the log. Needs ``audit:read``."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.AUDIT_READ)
    return ledger_state(tenant.organisation_id)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
