"""One incident as a file: all that is on record of it, with the proofs, for who fills in a report.

No official form of the Commission for Art. 73 is on file here: this is the organisation's own
record, from which people take what an authority's form asks for.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone

from audit.inclusion import NotSealedYet, RecordNotFound, prove_inclusion
from orgs.tenancy import Tenant
from oversight.clocks import clock_of
from oversight.incidents import MOMENTS, texts_of
from oversight.models import Incident

FORMAT = "lex-custis/incident/v1"
_NOTE = (
    "The organisation's own record of an incident, no official form and no report by itself. "
    "Check each record by its proof with `verifier.py proof` and a key that you have from "
    "elsewhere. Prompts and answers are not in it: their records commit to them."
)


def as_download(tenant: Tenant, incident: Incident) -> HttpResponse:
    """:func:`incident_file` as a JSON file to keep. Needs ``incident:manage``."""
    data = json.dumps(incident_file(tenant, incident), ensure_ascii=False, indent=2) + "\n"
    response = HttpResponse(data, content_type="application/json")
    name = f"incident_{incident.pk}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def incident_file(tenant: Tenant, incident: Incident) -> dict[str, Any]:
    """The incident, its history and its records with their proofs. Needs ``incident:manage``.

    A record that is not sealed yet, or not there any more, is named without a proof.
    """
    events = list(incident.events.select_related("person"))
    texts = texts_of(tenant, events)
    organisation = tenant.organisation
    return {
        "format": FORMAT,
        "note": _NOTE,
        "made_at": _moment(timezone.now()),
        "organisation": {
            "name": organisation.legal_name or organisation.name,
            "register_number": organisation.register_number,
            "country": organisation.country,
        },
        "incident": _facts(incident),
        "clock": _clock(incident),
        "history": [
            {
                "at": _moment(event.at),
                "kind": event.kind,
                "person": str(event.person),
                "text": texts[event.record_id],
                **_proof(tenant.organisation_id, event.record_id),
            }
            for event in events
        ],
        "records": [_proof(tenant.organisation_id, pk) for pk in incident.record_ids],
    }


def _facts(incident: Incident) -> dict[str, Any]:
    system = incident.system
    return {
        "id": str(incident.pk),
        "status": incident.status,
        "led_to": incident.category or None,
        "death": incident.is_death,
        "widespread_infringement": incident.is_widespread,
        "severity": incident.severity,
        "causal_link": incident.causal_link or None,
        "member_state": incident.country or None,
        "persons_affected": incident.persons_affected,
        "system": {"id": str(system.pk), "name": system.name} if system else None,
        "authority": incident.authority or None,
        "reference": incident.reference or None,
        "entered_by": str(incident.reporter),
        **{name: _moment(getattr(incident, name)) for name in ("opened_at", *MOMENTS)},
    }


def _clock(incident: Incident) -> dict[str, Any] | None:
    clock = clock_of(incident)
    if clock is None:
        return None
    return {
        "law": f"Regulation (EU) 2024/1689, Art. {clock.window.law}",
        "longest_days": clock.window.longest.days,
        "counted_from": "awareness, in periods of 24 hours",
        "ends_at": _moment(clock.ends_at),
        "stopped_at": _moment(clock.stopped_at),
        "late": clock.is_late,
    }


def _proof(organisation_id: UUID, record_id: UUID) -> dict[str, Any]:
    """The record's own text, and the proof that it stands in the log."""
    said = proof = None
    try:
        found = prove_inclusion(organisation_id, record_id)
    except (NotSealedYet, RecordNotFound):
        pass
    else:
        said, proof = found.record.decode(errors="replace"), found.tlog_proof
    return {"record_id": str(record_id), "record": said, "tlog_proof": proof}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
