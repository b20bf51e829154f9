"""Where an organisation demands it, nobody erases alone."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from audit.content_models import ErasureRequest, ErasureRule
from audit.erasure import (
    Ground,
    Held,
    SecondPersonNeeded,
    demands_two_people,
    erase,
    erase_everything_of,
    place_hold,
)
from audit.erasure_requests import (
    decide_erasure,
    demand_two_people,
    erase_or_request,
    open_requests,
    request_erasure,
)
from audit.ledger import Receipt, commit_blocking
from audit.models import Content, RecordIndex
from audit.reading import record_bytes
from audit.retention import prune, set_retention
from audit.verification import verify_log
from orgs.members import add_member
from orgs.models import User
from orgs.roles import Role
from orgs.tenancy import PermissionRefused, Tenant, tenant_of
from tests.admin_pages import signed_in
from tests.audit.test_keeping import an_old_draft
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


def place(receipt: Receipt) -> list[tuple[Any, str]]:
    return [(receipt.record_id, "prompt")]


def is_stored(receipt: Receipt) -> bool:
    return Content.objects.filter(record_id=receipt.record_id).exists()


def records(cast: Cast, kind: str) -> list[dict[str, Any]]:
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk).filter(kind=kind)
    pks = rows.order_by("written_at").values_list("pk", flat=True)
    return [json.loads(record_bytes(cast.organisation.pk, pk)) for pk in pks]


def test_one_person_erases_unless_two_are_demanded(
    cast: Cast, otto: Tenant, receipt: Receipt
) -> None:
    assert not demands_two_people(cast.organisation.pk)
    assert isinstance(erase_or_request(cast.olivia, place(receipt), Ground.REQUEST), list)
    assert not is_stored(receipt)
    other = commit_blocking(a_draft(cast))
    demand_two_people(cast.olivia, True)
    demand_two_people(cast.olivia, True)
    for act in (erase, erase_everything_of):
        with pytest.raises(SecondPersonNeeded):
            act(
                cast.olivia,
                place(other) if act is erase else str(cast.max.user.pk),  # type: ignore[arg-type]
                Ground.REQUEST,
            )
    error = io.StringIO()
    with pytest.raises(SystemExit):
        call_command(
            "erase",
            cast.organisation.slug,
            "--record",
            str(other.record_id),
            "--ground",
            "mistake",
            stderr=error,
        )
    assert "second person" in error.getvalue()
    assert is_stored(other)
    said = [it["body"] for it in records(cast, "policy.changed")]
    assert said == [{"lexcustis.erasure.two_people": True}]


def test_another_confirms_and_both_stand_in_the_records(
    cast: Cast, otto: Tenant, receipt: Receipt
) -> None:
    demand_two_people(cast.alice, True)
    request = erase_or_request(cast.olivia, place(receipt), Ground.OBJECTION)
    assert request is not None
    assert is_stored(receipt)
    assert list(open_requests(otto)) == [request]
    with pytest.raises(ValidationError, match="Somebody else"):
        decide_erasure(cast.olivia, request, confirm=True)
    for nobody in (cast.alice, cast.rita, cast.audrey):
        with pytest.raises(PermissionRefused):
            decide_erasure(nobody, request, confirm=True)
    assert is_stored(receipt)
    decided = decide_erasure(otto, request, confirm=True)
    assert not is_stored(receipt)
    assert (decided.state, decided.decided_by) == ("confirmed", otto.user)
    (asked,) = records(cast, "content.erasure_requested")
    (erased,) = records(cast, "content.erased")
    assert asked["id"] == str(request.pk)
    assert asked["actor"] == cast.olivia.actor
    assert asked["body"]["lexcustis.to_erase"] == erased["body"]["lexcustis.erased"]
    assert asked["body"]["lexcustis.until"].startswith(f"{request.expires_at:%Y-%m-%dT}")
    assert erased["actor"] == otto.actor
    assert erased["links"] == [{"id": str(request.pk), "rel": "erasure_request"}]
    assert erased["body"]["lexcustis.ground"] == "gdpr_21"
    with pytest.raises(ValidationError, match="decided already"):
        decide_erasure(otto, request, confirm=True)
    assert not open_requests(otto).exists()
    seal()
    assert verify_log(cast.organisation.pk).valid


def test_what_is_refused_or_too_late_or_held_stays(
    cast: Cast, otto: Tenant, receipt: Receipt
) -> None:
    demand_two_people(cast.alice, True)
    refused = request_erasure(cast.olivia, place(receipt), Ground.REQUEST)
    decide_erasure(otto, refused, confirm=False)
    (said,) = records(cast, "content.erasure_refused")
    assert said["links"] == [{"id": str(refused.pk), "rel": "erasure_request"}]
    late = request_erasure(cast.olivia, place(receipt), Ground.REQUEST)
    ErasureRequest.objects.for_tenant(otto).filter(pk=late.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    late.refresh_from_db()
    assert (late.is_over, late.is_open) == (True, False)
    with pytest.raises(ValidationError, match="time to confirm"):
        decide_erasure(otto, late, confirm=True)
    place_hold(cast.olivia, name="file 7")
    held = request_erasure(cast.olivia, place(receipt), Ground.REQUEST)
    with pytest.raises(Held):
        decide_erasure(otto, held, confirm=True)
    assert [it.pk for it in open_requests(otto)] == [held.pk]
    assert is_stored(receipt)
    assert records(cast, "content.erased") == []


def test_a_stranger_finds_no_request(cast: Cast, receipt: Receipt) -> None:
    request = request_erasure(cast.olivia, place(receipt), Ground.REQUEST)
    user = User.objects.create_user(f"paul-{cast.organisation.slug}@example.org", name="Paul")
    paul = tenant_of(add_member(cast.other_organisation, user, Role.COMPLIANCE_OFFICER))
    with pytest.raises(ErasureRequest.DoesNotExist):
        decide_erasure(paul, request, confirm=True)
    with pytest.raises(ValidationError, match="no text"):
        request_erasure(paul, place(receipt), Ground.REQUEST)
    with pytest.raises(ValidationError, match="by itself"):
        request_erasure(cast.olivia, place(receipt), Ground.RETENTION)
    with pytest.raises(PermissionRefused):
        request_erasure(cast.alice, place(receipt), Ground.REQUEST)


def test_who_may_erase_cannot_lift_the_rule_and_retention_needs_nobody(
    cast: Cast, receipt: Receipt
) -> None:
    old = commit_blocking(an_old_draft(cast, 100))
    demand_two_people(cast.olivia, True)
    with pytest.raises(ValidationError, match="cannot lift"):
        demand_two_people(cast.olivia, False)
    with pytest.raises(PermissionRefused):
        demand_two_people(cast.rita, False)
    set_retention(cast.alice, 90)
    prune()
    set_retention(cast.alice, None)
    assert not is_stored(old)
    assert is_stored(receipt)
    demand_two_people(cast.alice, False)
    assert ErasureRule.objects.for_tenant(cast.alice).get().two_people is False
    assert len(erase(cast.olivia, place(receipt), Ground.REQUEST)) == 1


def test_the_database_itself_wants_two_people(cast: Cast, otto: Tenant, receipt: Receipt) -> None:
    request = request_erasure(cast.olivia, place(receipt), Ground.REQUEST)
    now = timezone.now()
    mine = {"decided_by": cast.olivia.user, "decided_at": now, "state": "confirmed"}
    for values in (
        mine,
        {**mine, "decided_by": None},
        {**mine, "decided_by": otto.user, "decided_at": None},
        {**mine, "decided_by": otto.user, "state": "requested"},
        {"state": "confirmed"},
    ):
        rows = ErasureRequest.objects.for_tenant(cast.olivia).filter(pk=request.pk)
        with pytest.raises(IntegrityError, match="two_people_erase"), transaction.atomic():
            rows.update(**values)


def test_many_texts_take_one_request(cast: Cast, otto: Tenant) -> None:
    receipts = [commit_blocking(a_draft(cast)) for _ in range(130)]
    places = [(receipt.record_id, "prompt") for receipt in receipts]
    request = request_erasure(cast.olivia, places, Ground.UNLAWFUL)
    first, second = records(cast, "content.erasure_requested")
    assert second["links"] == [{"id": first["id"], "rel": "erasure_request"}]
    decide_erasure(otto, request, confirm=True)
    assert not any(is_stored(receipt) for receipt in receipts)


def test_the_admin_asks_shows_and_confirms(cast: Cast, otto: Tenant, receipt: Receipt) -> None:
    olivia, other = signed_in(cast.olivia.user), signed_in(otto.user)
    alice, charlie = signed_in(cast.alice.user), signed_in(cast.charlie.user)
    listed = reverse("admin:audit_erasurerequest_changelist")
    rule = reverse("admin:audit_erasure_rule")
    assert "does it alone" in olivia.get(listed).content.decode()
    assert signed_in(cast.audrey.user).post(rule, {"two_people": "on"}).status_code == 403
    assert (
        "Two people are demanded"
        in olivia.post(rule, {"two_people": "on"}, follow=True).content.decode()
    )
    assert "Let one person erase" not in olivia.get(listed).content.decode()
    refused = olivia.post(rule, {"two_people": "off"}, follow=True).content.decode()
    assert "cannot lift the rule" in refused
    erasing = reverse("admin:audit_erase", args=[receipt.record_id])
    assert "Ask to erase" in olivia.get(erasing).content.decode()
    posted = {"slots": "prompt", "ground": "mistake"}
    told = olivia.post(erasing, posted, follow=True).content.decode()
    assert "when a second person confirms it" in told
    assert "Olivia asks to erase this" in told
    assert is_stored(receipt)
    request = ErasureRequest.objects.for_tenant(otto).get()
    shown = reverse("admin:audit_erasurerequest_change", args=[request.pk])
    decide = reverse("admin:audit_decide_erasure", args=[request.pk])
    for client, may in ((olivia, False), (other, True), (alice, False)):
        text = client.get(shown).content.decode()
        assert "Entered by mistake" in text
        assert ("Confirm and erase" in text) is may
    assert charlie.get(shown).status_code in (302, 403, 404)
    assert charlie.post(decide, {"decision": "confirm"}).status_code in (403, 404)
    assert alice.post(decide, {"decision": "confirm"}).status_code == 403
    own = olivia.post(decide, {"decision": "confirm"}, follow=True).content.decode()
    assert "Somebody else decides" in own
    assert is_stored(receipt)
    done = other.post(decide, {"decision": "confirm"}, follow=True).content.decode()
    assert "Erased. The records and their proofs stay." in done
    assert not is_stored(receipt)
    assert "Let one person erase" in alice.get(listed).content.decode()
    alice.post(rule, {"two_people": "off"})
    assert not demands_two_people(cast.organisation.pk)
