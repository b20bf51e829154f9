"""The live register: every model seen in the log, with what is on file, asked for and received."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min
from django.http import Http404
from django.template.loader import render_to_string
from django.utils import timezone

from dossier.declarations import Declarations, declarations_at
from dossier.law import documents_for, facts, host_of, not_a_model
from dossier.lawbook import law_at
from dossier.snapshots import Snapshot, snapshots
from dossier.upstream_models import UpstreamDocument, UpstreamRequest
from dossier.upstream_requests import SUMMARY
from llm.models import Inference
from orgs.days import today_in
from orgs.roles import Permission
from orgs.tenancy import Tenant


@dataclass(frozen=True, slots=True)
class Checked:
    """One item of Annex XII and how it stands: the best that is known of it."""

    key: str
    law: str
    title: str
    state: str
    document: UpstreamDocument | None = None
    request: UpstreamRequest | None = None
    declared: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One model that was really called, by all hosts through which it was."""

    model: str
    maker: dict[str, Any] | None
    hosts: tuple[str, ...]
    calls: int
    first_at: datetime
    last_at: datetime
    snapshots: tuple[Snapshot, ...]
    documents: tuple[UpstreamDocument, ...]
    requests: tuple[UpstreamRequest, ...]
    checklist: tuple[Checked, ...]
    no_model: str

    @property
    def answered(self) -> int:
        """How many items of Annex XII have an answer."""
        return sum(item.state in ("published", "supplied", "declared") for item in self.checklist)

    @property
    def summary(self) -> UpstreamDocument | None:
        """The newest public summary that is held."""
        return next((d for d in self.documents if d.kind == SUMMARY), None)

    @property
    def published(self) -> list[dict[str, Any]]:
        """Where the maker publishes what concerns this model, as far as is on file."""
        return documents_for(self.maker, self.model) if self.maker else []

    @property
    def changes(self) -> int:
        """How often another version answered under the same name."""
        by_host: dict[str, int] = defaultdict(int)
        for snapshot in self.snapshots:
            by_host[snapshot.provider] += 1
        return sum(count - 1 for count in by_host.values())


def register(tenant: Tenant) -> list[Seen]:
    """Every model in the log of the organisation, the most used first."""
    tenant.require(Permission.DOSSIER_READ)
    return _register(tenant, Inference.objects.for_tenant(tenant))


def seen(tenant: Tenant, model: str) -> Seen:
    """One model of the register; ``Http404`` for one that was never called."""
    tenant.require(Permission.DOSSIER_READ)
    rows = _register(tenant, Inference.objects.for_tenant(tenant).filter(requested_model=model))
    if not rows:
        raise Http404
    return rows[0]


def _register(tenant: Tenant, inferences: Any) -> list[Seen]:
    now = timezone.now()
    sent = inferences.exclude(state=Inference.State.BLOCKED).exclude(requested_model="")
    book, made = law_at(tenant.organisation_id, now), declarations_at(tenant.organisation_id, now)
    versions = _by_model(snapshots(sent))
    documents = _by_model(UpstreamDocument.objects.for_tenant(tenant))
    requests = _by_model(UpstreamRequest.objects.for_tenant(tenant))
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rows = sent.order_by().values("provider_name", "requested_model")
    for row in rows.annotate(n=Count("id"), first=Min("started_at"), last=Max("started_at")):
        found[row["requested_model"]].append(row)
    models = [
        Seen(
            model=model,
            maker=book.maker_of(model),
            hosts=tuple(sorted(host_of(use["provider_name"])["name"] for use in uses)),
            calls=sum(use["n"] for use in uses),
            first_at=min(use["first"] for use in uses),
            last_at=max(use["last"] for use in uses),
            snapshots=tuple(versions[model]),
            documents=tuple(documents[model]),
            requests=tuple(requests[model]),
            checklist=checklist(model, documents[model], requests[model], made),
            no_model=not_a_model(model) or "",
        )
        for model, uses in found.items()
    ]
    return sorted(models, key=lambda it: (-it.calls, it.model))


def _by_model(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.model].append(row)
    return found


def checklist(
    model: str,
    documents: Sequence[UpstreamDocument],
    requests: Sequence[UpstreamRequest],
    made: Declarations,
) -> tuple[Checked, ...]:
    """The eleven items: published or supplied, declared, asked for, declined, or not known.

    *documents* and *requests* come newest first.
    """
    return tuple(
        _checked(row, documents, requests, made.value(f"annex_xii.{row['key']}", model) or "")
        for row in facts("annex_xii").rows
    )


def _checked(
    row: dict[str, Any],
    documents: Sequence[UpstreamDocument],
    requests: Sequence[UpstreamRequest],
    declared: str,
) -> Checked:
    key, law, title = str(row["key"]), str(row["law"]), str(row["title"])
    document = next((d for d in documents if key in d.answers), None)
    if document is not None:
        state = "published" if document.url else "supplied"
        return Checked(key, law, title, state, document=document)
    if declared:
        return Checked(key, law, title, "declared", declared=declared)
    request = next((r for r in requests if key in r.items), None)
    if request is None or request.outcome == UpstreamRequest.Outcome.SUPPLIED:
        return Checked(key, law, title, "unknown")
    refused = request.outcome == UpstreamRequest.Outcome.REFUSED
    return Checked(key, law, title, "refused" if refused else "requested", request=request)


def complaint_draft(tenant: Tenant, model: str) -> str:
    """The draft of a complaint under Art. 89(2), as plain text, from what is on file.

    What is not on file stands in square brackets, for a person to fill in.
    """
    tenant.require(Permission.DECLARE)
    row = seen(tenant, model)
    context = {
        "seen": row,
        "organisation": tenant.organisation,
        "entity": (row.maker or {}).get("fields", {}).get("gpai_provider_entity"),
        "missing": [item for item in row.checklist if item.state not in _ANSWERED],
        "requests": sorted(row.requests, key=lambda request: request.asked_on),
        "today": today_in(tenant.organisation.time_zone),
    }
    return render_to_string("dossier/complaint_art89.txt", context)


_ANSWERED = ("published", "supplied", "declared")
