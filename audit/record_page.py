"""What the admin shows of one record, and of the log as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Min
from django.utils import timezone

from audit import checkpoints
from audit.anchor_models import Anchor
from audit.anchors import newest_anchors
from audit.content_page import ContentPage, content_page
from audit.hashing import leaf_hash
from audit.models import Checkpoint, Log, RecordIndex, SealState
from audit.reading import RecordNotFound, record_bytes, said_by
from audit.running_verification import Progress, running_verification
from audit.signer import SignerUnavailable
from audit.standing import Standing, standing_of
from audit.state import STOPPED_AFTER, LedgerState, ledger_state
from orgs.models import ApiKey, User
from orgs.tenancy import Tenant

RELATED_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Related:
    """A record that this one names, or that names this one."""

    record_id: str
    relation: str
    kind: str


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One record as the admin shows it."""

    row: RecordIndex
    origin: str
    actor_name: str
    pretty: str
    size: int
    leaf_hash: str
    standing: Standing
    content: ContentPage
    names: list[Related]
    named_by: list[Related]


@dataclass(frozen=True, slots=True)
class LogPage:
    """The log as a whole."""

    origin: str
    state: LedgerState
    checkpoint: Checkpoint | None
    verification_key: str
    running: Progress | None
    anchors: list[Anchor]
    sealer_looked_at: datetime | None
    sealer_runs: bool


def record_page(tenant: Tenant, row: RecordIndex) -> RecordPage:
    """Everything about one record of the tenant's organisation, and what it may see of the text.

    A record that somebody changed or removed is shown, too, as what it is; what it says now leads
    nowhere.
    """
    try:
        stored = record_bytes(row.organisation_id, row.record_id)
    except RecordNotFound:
        stored = None
    data = stored or b""
    standing = standing_of(row.log_number, row.record_id, stored)
    said = said_by(data)
    record = {} if standing.problem or said is None else said
    names = actor_names(tenant, [row])
    return RecordPage(
        row=row,
        origin=Log.objects.for_tenant(tenant).get(number=row.log_number).origin,
        actor_name=names[row.actor_type, row.actor_id],
        pretty=_pretty(data, said),
        size=len(data),
        leaf_hash=leaf_hash(data).hex() if data else "",
        standing=standing,
        content=content_page(tenant, row, record),
        names=_named(tenant, record),
        named_by=_naming(tenant, row),
    )


def log_page(tenant: Tenant) -> LogPage:
    """What an officer needs to know, and to hand to an auditor, of the organisation's log."""
    log = Log.objects.for_tenant(tenant).order_by("-epoch").first()
    try:
        key = checkpoints.verification_key()
    except (SignerUnavailable, OSError):
        key = ""
    looked_at = SealState.objects.aggregate(oldest=Min("looked_at"))["oldest"]
    return LogPage(
        origin=log.origin if log else "",
        state=ledger_state(tenant.organisation_id),
        checkpoint=checkpoints.latest_of_log(log.number) if log else None,
        verification_key=key,
        running=running_verification(tenant.organisation_id),
        anchors=newest_anchors(tenant.organisation_id),
        sealer_looked_at=looked_at,
        sealer_runs=looked_at is not None and timezone.now() - looked_at < STOPPED_AFTER,
    )


def actor_names(tenant: Tenant, rows: Iterable[RecordIndex]) -> dict[tuple[str, str], str]:
    """What to call the actors of some records, by type and id: at most two queries.

    A record holds only opaque ids; a name is looked up now, and shown only to those who read the
    log of the organisation in which the person acted.
    """
    actors = {(row.actor_type, row.actor_id) for row in rows}
    people = _ids(actors, "user")
    keys = _ids(actors, "api_key")
    found: dict[tuple[str, str], str] = {}
    if people:
        users = User.objects.filter(pk__in=people).values_list("pk", "name")
        found |= {("user", str(pk)): name for pk, name in users}
    if keys:
        rows_of_keys = ApiKey.objects.for_tenant(tenant).filter(pk__in=keys)
        found |= {("api_key", str(key.pk)): f"{key.name} (API key)" for key in rows_of_keys}
    return {actor: found.get(actor) or " ".join(dict.fromkeys(actor)) for actor in actors}


def _ids(actors: Iterable[tuple[str, str]], kind: str) -> list[UUID]:
    ids = []
    for actor_type, actor_id in actors:
        if actor_type == kind:
            try:
                ids.append(UUID(actor_id))
            except ValueError:  # not ours: shown as it is written
                continue
    return ids


def _pretty(data: bytes, said: dict[str, Any] | None) -> str:
    if said is None:
        return data.decode(errors="replace")
    return json.dumps(said, indent=2, ensure_ascii=False)


def _named(tenant: Tenant, record: dict[str, Any]) -> list[Related]:
    links = record.get("links", [])[:RELATED_AT_MOST]
    rows = RecordIndex.objects.for_tenant(tenant)
    kinds = dict(
        rows.filter(record_id__in=[link["id"] for link in links]).values_list("record_id", "kind")
    )
    return [Related(link["id"], link["rel"], kinds.get(UUID(link["id"]), "")) for link in links]


def _naming(tenant: Tenant, row: RecordIndex) -> list[Related]:
    rows = RecordIndex.objects.for_tenant(tenant).filter(request_id=row.record_id)
    return [
        Related(str(other.record_id), "request", other.kind)
        for other in rows.order_by("at")[:RELATED_AT_MOST]
        if other.record_id != row.record_id
    ]
