"""Handing out the file of a dossier: to its own organisation, by right, and on record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import Http404, StreamingHttpResponse

from audit.kinds import Kind as RecordKind
from audit.ledger import Draft, append
from dossier.link_models import AuditorLink
from dossier.links import actor_of, count_download, shared_dossier
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
    return _hand_out(dossier, tenant.actor)


def download_shared(link: AuditorLink, dossier_id: UUID) -> StreamingHttpResponse:
    """The zip of a dossier that *link* leads to; the record names the link."""
    response = _hand_out(
        shared_dossier(link, dossier_id), actor_of(link), {"lexcustis.link.id": str(link.pk)}
    )
    count_download(link)
    return response


def _hand_out(
    dossier: Dossier, actor: Mapping[str, str], details: Mapping[str, str] | None = None
) -> StreamingHttpResponse:
    path = dossier.file.name or ""  # a published dossier has one
    file = default_storage.open(path, "rb")
    try:
        _record(dossier, actor, details or {})
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


def _record(dossier: Dossier, actor: Mapping[str, str], details: Mapping[str, str]) -> None:
    with transaction.atomic():
        append(
            Draft(
                organisation_id=dossier.organisation_id,
                kind=RecordKind.DOSSIER_DOWNLOADED,
                actor=actor,
                body={
                    **describe(dossier),
                    **details,
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
