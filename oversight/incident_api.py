"""The API of incidents: entered by who chats, assessed, reported and ended by who handles them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router, Status

from llm.provider_settings import UnknownProviderSettings
from orgs.api_auth import tenant_of_call
from orgs.api_pages import page_of
from orgs.models import AISystem
from orgs.tenancy import Tenant
from oversight.answers import answer_of, records_of
from oversight.incident_file import incident_file
from oversight.incident_schemas import (
    FreezeIn,
    IncidentChange,
    IncidentDetail,
    IncidentIn,
    IncidentOut,
    IncidentPage,
    IncidentQuery,
    ProviderNoticeIn,
    RecordsIn,
    ReportIn,
    StatusIn,
)
from oversight.incidents import (
    assess,
    attach,
    find_incident,
    freeze,
    incidents_of,
    inform_provider,
    move,
    open_incident,
    report,
)
from oversight.models import Incident

router = Router(tags=["incidents"])


@router.post("", response={201: IncidentOut}, summary="Report an incident")
def add_incident(request: HttpRequest, body: IncidentIn) -> Any:
    """Enter what went wrong; the clock of Art. 73 runs from when it became known.

    Needs ``incident:manage``; or ``chat``, where nothing but the severity is said and the records
    are of one's own answers.
    """
    tenant = tenant_of_call(request)
    records = list(body.record_ids)
    if body.message_id is not None:
        records += records_of(answer_of(tenant, body.message_id))
    fields = _with_system(tenant, body.fields())
    row = open_incident(tenant, description=body.description, record_ids=records, **fields)
    return Status(201, IncidentOut.of(row))


@router.get("", response=IncidentPage, summary="List incidents")
def list_incidents(
    request: HttpRequest, query: Annotated[IncidentQuery, Query()]
) -> dict[str, Any]:
    """The organisation's incidents with their clocks, newest first. Needs ``incident:manage``."""
    rows = incidents_of(tenant_of_call(request))
    if query.status == "unfinished":
        rows = rows.exclude(status__in=Incident.OVER)
    elif query.status != "all":
        rows = rows.filter(status=query.status)
    if query.before is not None:
        rows = rows.filter(pk__lt=query.before)
    return page_of(rows.order_by("-pk"), IncidentOut.of)


@router.get("/{uuid:incident_id}", response=IncidentDetail, summary="Read an incident")
def read_incident(request: HttpRequest, incident_id: UUID) -> dict[str, Any]:
    """One incident with its clock, its history and what was written. Needs ``incident:manage``."""
    tenant = tenant_of_call(request)
    return IncidentDetail.seen_by(tenant, find_incident(tenant, incident_id))


@router.get("/{uuid:incident_id}/file", response=dict[str, Any], summary="Take an incident along")
def file_of_incident(request: HttpRequest, incident_id: UUID) -> dict[str, Any]:
    """One incident with its history, its records and their proofs: ``lex-custis/incident/v1``.

    The organisation's own record, no official form. Needs ``incident:manage``.
    """
    tenant = tenant_of_call(request)
    return incident_file(tenant, find_incident(tenant, incident_id))


@router.patch("/{uuid:incident_id}", response=IncidentDetail, summary="Assess an incident")
def assess_incident(
    request: HttpRequest, incident_id: UUID, body: IncidentChange
) -> dict[str, Any]:
    """Say what it is, with a reason; the clock is computed anew. Needs ``incident:manage``.

    An open incident is under review from then on.
    """
    tenant = tenant_of_call(request)
    row = find_incident(tenant, incident_id)
    fields = _with_system(tenant, body.fields())
    return IncidentDetail.seen_by(tenant, assess(tenant, row, reason=body.reason, **fields))


@router.post("/{uuid:incident_id}/status", response=IncidentDetail, summary="Move on")
def move_incident(request: HttpRequest, incident_id: UUID, body: StatusIn) -> dict[str, Any]:
    """Resolve it, close it, take it up again, or find it not serious. Needs ``incident:manage``."""
    tenant = tenant_of_call(request)
    row = find_incident(tenant, incident_id)
    return IncidentDetail.seen_by(tenant, move(tenant, row, **body.model_dump()))


@router.post("/{uuid:incident_id}/reports", response=IncidentDetail, summary="Note a report")
def add_report(request: HttpRequest, incident_id: UUID, body: ReportIn) -> dict[str, Any]:
    """Note that people reported it to the authority, in part or completely (Art. 73(5)).

    Nothing is sent from here. Needs ``incident:manage``.
    """
    tenant = tenant_of_call(request)
    row = find_incident(tenant, incident_id)
    return IncidentDetail.seen_by(tenant, report(tenant, row, **body.model_dump()))


@router.post(
    "/{uuid:incident_id}/provider-notice",
    response=IncidentDetail,
    summary="Note that the provider was informed",
)
def add_provider_notice(
    request: HttpRequest, incident_id: UUID, body: ProviderNoticeIn
) -> dict[str, Any]:
    """Note when and how the system's provider was informed, Art. 26(5).

    Nothing is sent from here. Needs ``incident:manage``.
    """
    tenant = tenant_of_call(request)
    row = find_incident(tenant, incident_id)
    return IncidentDetail.seen_by(tenant, inform_provider(tenant, row, **body.model_dump()))


@router.post("/{uuid:incident_id}/freeze", response=IncidentDetail, summary="Freeze providers")
def freeze_providers(request: HttpRequest, incident_id: UUID, body: FreezeIn) -> dict[str, Any]:
    """Let nobody change the settings of these providers, and of no others, for this incident.

    Without providers the freeze is lifted (Art. 73(6)). Needs ``incident:manage``.
    """
    tenant = tenant_of_call(request)
    row = find_incident(tenant, incident_id)
    try:
        row = freeze(tenant, row, **body.model_dump())
    except UnknownProviderSettings as error:
        raise ValidationError({"provider_ids": str(error)}) from error
    return IncidentDetail.seen_by(tenant, row)


@router.post("/{uuid:incident_id}/records", response=IncidentDetail, summary="Name records")
def add_records(request: HttpRequest, incident_id: UUID, body: RecordsIn) -> dict[str, Any]:
    """Name further records of the audit log as evidence. Needs ``incident:manage``."""
    tenant = tenant_of_call(request)
    row = find_incident(tenant, incident_id)
    return IncidentDetail.seen_by(tenant, attach(tenant, row, **body.model_dump()))


def _with_system(tenant: Tenant, fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields with the AI system itself in place of its id."""
    if "system_id" not in fields:
        return fields
    wanted = fields.pop("system_id")
    system = AISystem.objects.for_tenant(tenant).filter(pk=wanted).first() if wanted else None
    if wanted and system is None:
        raise ValidationError({"system_id": _("There is no such AI system.")})
    return {**fields, "system": system}
