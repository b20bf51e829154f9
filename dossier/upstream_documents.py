"""Documents of model makers, brought by an officer: kept sealed, with hash, on record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, Text, append
from dossier.law import facts
from dossier.upstream_models import UpstreamDocument, UpstreamRequest
from orgs import vault
from orgs.days import require_plausible, today_in
from orgs.identifiers import uuid7
from orgs.roles import Permission
from orgs.tenancy import Tenant

MOST_BYTES = 20 * 1024 * 1024
# Shown by browsers as what they are; everything else is handed out as bytes.
MEDIA = {
    ".pdf": "application/pdf",
    ".txt": "text/plain",
    ".html": "text/plain",
    ".md": "text/plain",
}


def annex_xii_keys() -> tuple[str, ...]:
    """The eleven items, in the order of the annex."""
    return tuple(str(row["key"]) for row in facts("annex_xii").rows)


def add_document(
    tenant: Tenant,
    *,
    model: str,
    kind: str,
    title: str,
    publisher: str,
    retrieved_on: date,
    file_name: str,
    data: bytes,
    version: str = "",
    url: str = "",
    answers: Sequence[str] = (),
    is_confidential: bool = False,
    request: UpstreamRequest | None = None,
) -> UpstreamDocument:
    """Keep *data* as it was retrieved by hand on that day; the server fetches nothing."""
    tenant.require(Permission.DECLARE)
    today = today_in(tenant.organisation.time_zone)
    _check(data, answers, retrieved_on, today=today, is_from_somewhere=bool(url or request))
    if request is not None and request.organisation_id != tenant.organisation_id:
        raise Http404
    name = PurePath(file_name.replace("\\", "/")).name[:200] or "document"
    document = UpstreamDocument(
        id=uuid7(),
        organisation=tenant.organisation,
        model=model.strip(),
        kind=kind,
        title=title.strip(),
        publisher=publisher.strip(),
        version=version.strip(),
        url=url.strip(),
        retrieved_on=retrieved_on,
        answers=[key for key in annex_xii_keys() if key in answers],
        is_confidential=is_confidential,
        request=request,
        file_name=name,
        media=MEDIA.get(PurePath(name).suffix.lower(), "application/octet-stream"),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        added_by=tenant.user,
        added_name=str(tenant.user),
        added_at=timezone.now(),
    )
    document.full_clean(exclude=["file", "record_id"])
    sealed = vault.seal(tenant.organisation_id, data, place=_place(document.pk))
    stored = default_storage.save(
        f"upstream/{tenant.organisation_id}/{document.pk}", ContentFile(sealed)
    )
    try:
        with transaction.atomic():
            document.file = stored
            document.record_id = append(_draft(tenant, document)).record_id
            document.save(force_insert=True)
    except BaseException:
        default_storage.delete(stored)
        raise
    return document


def read_upload(upload: UploadedFile[Any]) -> bytes:
    """What a browser or program sent, unless it is larger than what is kept."""
    if upload.size is None or upload.size > MOST_BYTES:
        raise ValidationError({"file": _("The file is larger than 20 MB.")})
    data: bytes = upload.read()
    return data


def documents_on_file(tenant: Tenant, *, model: str = "") -> QuerySet[UpstreamDocument]:
    """The organisation's documents, newest first; those about *model* where it is given."""
    tenant.require(Permission.DOSSIER_READ)
    rows = UpstreamDocument.objects.for_tenant(tenant)
    return rows.filter(model=model) if model else rows


def find_document(tenant: Tenant, document_id: UUID) -> UpstreamDocument:
    """One of the organisation's documents; ``Http404`` for any other."""
    tenant.require(Permission.DOSSIER_READ)
    rows = UpstreamDocument.objects.for_tenant(tenant)
    found: UpstreamDocument | None = rows.filter(pk=document_id).first()
    if found is None:
        raise Http404
    return found


def read_document(document: UpstreamDocument) -> bytes:
    """The document's own bytes. Raises :class:`orgs.vault.VaultError`."""
    with default_storage.open(document.file.name or "", "rb") as file:
        sealed = file.read()
    return vault.unseal(document.organisation_id, sealed, place=_place(document.pk))


def _place(document_id: UUID) -> str:
    return f"upstream-document/{document_id}"


def _check(
    data: bytes,
    answers: Sequence[str],
    retrieved_on: date,
    *,
    today: date,
    is_from_somewhere: bool,
) -> None:
    if not data:
        raise ValidationError({"file": _("The file is empty.")})
    if len(data) > MOST_BYTES:
        raise ValidationError({"file": _("The file is larger than 20 MB.")})
    if set(answers) - set(annex_xii_keys()):
        raise ValidationError({"answers": _("Annex XII has no such item.")})
    require_plausible(retrieved_on=retrieved_on)
    if retrieved_on > today:
        raise ValidationError({"retrieved_on": _("This day is still to come.")})
    if not is_from_somewhere:
        message = _("Say where it comes from: its address, or the request that it answers.")
        raise ValidationError({"url": message})


def _draft(tenant: Tenant, document: UpstreamDocument) -> Draft:
    statement = {
        "title": document.title,
        "publisher": document.publisher,
        "version": document.version,
        "url": document.url,
        "retrieved_on": document.retrieved_on.isoformat(),
        "answers": document.answers,
    }
    return Draft(
        organisation_id=tenant.organisation_id,
        kind=Kind.UPSTREAM_DOCUMENTED,
        actor=tenant.actor,
        body={
            "gen_ai.request.model": document.model,
            "lexcustis.document.id": str(document.pk),
            "lexcustis.document.kind": document.kind,
            "lexcustis.document.sha256": document.sha256,
            "lexcustis.document.bytes": document.size,
        },
        content={
            "statement": Text(
                json.dumps(statement, ensure_ascii=False, sort_keys=True), media="application/json"
            )
        },
        at=document.added_at,
    )
