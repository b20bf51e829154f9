"""Asking the makers of models for documentation, on record, and noting what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, Text, append
from dossier.law import facts, maker_of
from dossier.upstream_documents import annex_xii_keys
from dossier.upstream_models import UpstreamRequest
from orgs.addresses import absolute
from orgs.changes import SYSTEM
from orgs.days import require_plausible, today_in
from orgs.models import Membership
from orgs.roles import Permission, Role
from orgs.tenancy import Tenant

SUMMARY = "training_content_summary"
# Code of Practice, Transparency, Measure 1.2: signatories answer within 14 days.
ANSWER_WITHIN = timedelta(days=14)


def items() -> dict[str, str]:
    """What can be asked for: the eleven items of Annex XII, and the public summary."""
    asked = {str(row["key"]): f"{row['law']}: {row['title']}" for row in facts("annex_xii").rows}
    return {**asked, SUMMARY: _("Public summary of training content (Art. 53(1)(d))")}


def is_signatory(model: str) -> bool:
    """Whether the maker of *model* signed the whole Code of Practice, as far as is on file."""
    maker = maker_of(model)
    return bool(maker and maker.get("code_signatory"))


def ask(
    tenant: Tenant,
    *,
    model: str,
    addressee: str,
    channel: str,
    asked_on: date,
    items: Sequence[str],
    text: str = "",
) -> UpstreamRequest:
    """Enter a request that was sent; for signatories of the code a reminder is due in 14 days."""
    tenant.require(Permission.DECLARE)
    _check_items(items)
    require_plausible(asked_on=asked_on)
    if asked_on > today_in(tenant.organisation.time_zone):
        raise ValidationError({"asked_on": _("This day is still to come.")})
    signatory = is_signatory(model.strip())
    request = UpstreamRequest(
        organisation=tenant.organisation,
        model=model.strip(),
        addressee=addressee.strip(),
        channel=channel.strip(),
        asked_on=asked_on,
        items=[key for key in (*annex_xii_keys(), SUMMARY) if key in items],
        text=text.strip(),
        is_signatory=signatory,
        remind_on=asked_on + ANSWER_WITHIN if signatory else None,
        asked_by=tenant.user,
        asked_name=str(tenant.user),
        created_at=timezone.now(),
    )
    request.full_clean(exclude=["record_id"])
    body = {**_body(request), "lexcustis.request.items": request.items}
    said = {"addressee": request.addressee, "channel": request.channel, "text": request.text}
    with transaction.atomic():
        draft = _draft(request, Kind.UPSTREAM_REQUESTED, tenant.actor, body, said)
        request.record_id = append(draft).record_id
        request.save(force_insert=True)
    return request


def note_answer(
    tenant: Tenant, request: UpstreamRequest, *, outcome: str, answered_on: date, answer: str
) -> UpstreamRequest:
    """Note what came back, once: documents, or a refusal with its ground."""
    tenant.require(Permission.DECLARE)
    if outcome not in (UpstreamRequest.Outcome.SUPPLIED, UpstreamRequest.Outcome.REFUSED):
        raise ValidationError({"outcome": _("Say whether documents came or the answer was no.")})
    if not answer.strip():
        raise ValidationError({"answer": _("Say in a few words what came back.")})
    if not request.asked_on <= answered_on <= today_in(tenant.organisation.time_zone):
        raise ValidationError(
            {"answered_on": _("An answer comes after its question, until today.")}
        )
    with transaction.atomic():
        rows = UpstreamRequest.objects.for_tenant(tenant).select_for_update()
        row: UpstreamRequest | None = rows.filter(pk=request.pk).first()
        if row is None:
            raise Http404
        if row.outcome != UpstreamRequest.Outcome.OPEN:
            raise ValidationError(_("The answer to this request is noted already."))
        row.outcome, row.answered_on, row.answer = outcome, answered_on, answer.strip()
        row.answered_at = timezone.now()
        body = {**_body(row), "lexcustis.request.outcome": row.outcome}
        draft = _draft(row, Kind.UPSTREAM_ANSWERED, tenant.actor, body, {"answer": row.answer})
        row.answer_record_id = append(draft).record_id
        row.full_clean()
        row.save()
    return row


def requests_on_file(tenant: Tenant, *, model: str = "") -> QuerySet[UpstreamRequest]:
    """The organisation's requests, newest first; those about *model* where it is given."""
    tenant.require(Permission.DOSSIER_READ)
    rows = UpstreamRequest.objects.for_tenant(tenant)
    return rows.filter(model=model) if model else rows


def find_request(tenant: Tenant, request_id: UUID) -> UpstreamRequest:
    """One of the organisation's requests; ``Http404`` for any other."""
    tenant.require(Permission.DOSSIER_READ)
    rows = UpstreamRequest.objects.for_tenant(tenant)
    found: UpstreamRequest | None = rows.filter(pk=request_id).first()
    if found is None:
        raise Http404
    return found


def remind_due() -> int:
    """Remind the officers of every request to a signatory that is 14 days old, once each."""
    today = timezone.now().date()
    due = UpstreamRequest.unscoped.filter(  # the clock looks for all organisations
        outcome=UpstreamRequest.Outcome.OPEN, reminded_at=None, remind_on__lte=today
    )
    return sum(_remind(pk) for pk in due.values_list("pk", flat=True)[:500])


def _remind(request_id: UUID) -> bool:
    with transaction.atomic():
        row = (
            UpstreamRequest.unscoped.select_for_update(skip_locked=True)  # found by the clock
            .filter(pk=request_id, reminded_at=None, outcome=UpstreamRequest.Outcome.OPEN)
            .first()
        )
        if row is None:
            return False
        row.reminded_at = timezone.now()
        row.save(update_fields=["reminded_at"])
        append(_draft(row, Kind.UPSTREAM_REMINDED, SYSTEM, _body(row), {}))
        transaction.on_commit(lambda: _mail(row), robust=True)
    return True


def _mail(request: UpstreamRequest) -> None:
    officers = Membership.objects.for_organisation(request.organisation_id).filter(
        role=Role.COMPLIANCE_OFFICER, user__is_active=True
    )
    address = absolute(reverse("admin:dossier_upstreamrequest_change", args=[request.pk]))
    text = render_to_string(
        "dossier/mail_upstream_reminder.txt", {"request": request, "address": address}
    )
    subject = _("No answer yet: request of %(day)s about %(model)s") % {
        "day": request.asked_on.isoformat(),
        "model": request.model,
    }
    for email in officers.order_by("user__email").values_list("user__email", flat=True):
        EmailMessage(subject=" ".join(subject.split()), body=text, to=[email]).send()


def _check_items(wanted: Sequence[str]) -> None:
    known = {*annex_xii_keys(), SUMMARY}
    if not wanted or set(wanted) - known:
        raise ValidationError({"items": _("Choose what is asked for.")})


def _body(request: UpstreamRequest) -> dict[str, Any]:
    return {
        "gen_ai.request.model": request.model,
        "lexcustis.request.id": str(request.pk),
        "lexcustis.request.asked_on": request.asked_on.isoformat(),
    }


def _draft(
    request: UpstreamRequest, kind: Kind, actor: Any, body: dict[str, Any], said: dict[str, str]
) -> Draft:
    content = {}
    if said:
        text = json.dumps(said, ensure_ascii=False, sort_keys=True)
        content = {"statement": Text(text, media="application/json")}
    return Draft(request.organisation_id, kind, actor, body, content=content)
