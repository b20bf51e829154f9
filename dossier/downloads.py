"""Handing out the file of a dossier: to its own organisation, by right, and on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import Http404, StreamingHttpResponse

from audit.kinds import Kind as RecordKind
from audit.ledger import Draft, append
from dossier.models import Dossier
from dossier.scheduling import describe
from orgs.roles import Permission
from orgs.tenancy import Tenant

_CHUNK = 256 * 1024


def find_dossier(tenant: Tenant, dossier_id: UUID) -> Dossier:
    """The tenant's dossier; 404 for anybody else's, exactly as for one that never was (P4)."""
    tenant.require(Permission.DOSSIER_READ)
    dossier: Dossier | None = Dossier.objects.for_tenant(tenant).filter(pk=dossier_id).first()
    if dossier is None:
        raise Http404("There is no such dossier.")
    return dossier


def download(tenant: Tenant, dossier_id: UUID) -> StreamingHttpResponse:
    """The zip, streamed. That it was downloaded, and by whom, is recorded before the first byte."""
    dossier = find_dossier(tenant, dossier_id)
    if not dossier.is_published:
        raise Http404("The dossier is not published.")
    path = dossier.file.name or ""  # a published dossier has one
    file = default_storage.open(path, "rb")
    try:
        _record(tenant, dossier)
    except BaseException:
        file.close()
        raise
    response = StreamingHttpResponse(_pieces(file), content_type="application/zip")
    name = path.rsplit("/", 1)[-1]
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Content-Length"] = str(dossier.file_bytes)
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _record(tenant: Tenant, dossier: Dossier) -> None:
    with transaction.atomic():
        append(
            Draft(
                organisation_id=tenant.organisation_id,
                kind=RecordKind.DOSSIER_DOWNLOADED,
                actor=tenant.actor,
                body={
                    **describe(dossier),
                    "lexcustis.dossier.file_sha256": dossier.file_sha256,
                },
            )
        )


async def _pieces(file: Any) -> AsyncIterator[bytes]:
    """The file in pieces, read by a thread: the event loop serves others meanwhile."""
    try:
        while piece := await sync_to_async(file.read, thread_sensitive=False)(_CHUNK):
            yield piece
    finally:
        file.close()
