"""Facts of law: confirmed or changed by a person, dated, and printed with what they rest on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from audit.models import RecordIndex
from dossier.declarations import declare
from dossier.fact_models import FactReview
from dossier.fact_reviews import lawbook, review
from dossier.lawbook import FILES, LawBook
from dossier.models import Kind
from orgs.tenancy import PermissionRefused
from tests.admin_pages import signed_in
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_manifests import NOON, members, section

EUR_LEX = "https://eur-lex.europa.eu/eli/reg/2024/1689/oj"


@pytest.mark.parametrize("name", FILES)
def test_every_row_has_its_day_grade_and_version_and_what_is_printed_has_a_source(name) -> None:
    for fact in LawBook([], datetime(2026, 11, 21, tzinfo=UTC)).facts(name):
        assert fact.checked_on
        assert fact.law_version
        assert fact.grade in "PSKU"
        if fact.is_printable:
            assert fact.source, fact.key


def test_a_confirmed_row_is_printed_and_an_old_one_says_so(cast: Cast, tmp_path: Path) -> None:
    declare(cast.olivia, key="role.role", value="deployer")
    review(cast.olivia, file="obligations", key="GDPR-30", grade="P", source=EUR_LEX)
    fields = section(members(cast, Kind.FULL, tmp_path)["full_manifest.json"], "4")["blocks"][0]
    assert fields["fields"]["gdpr_30"]["value"] == "applies"
    assert fields["fields"]["gdpr_35"]["state"] == "UNKNOWN"
    later = LawBook([], timezone.now() + timedelta(days=400))
    fact = later.find("obligations", "AIA-4-1")
    assert fact is not None
    assert "overdue" in str(fact.remark(later.as_of))


def test_a_changed_row_carries_its_author_and_is_on_record(cast: Cast) -> None:
    made = review(
        cast.olivia,
        file="obligations",
        key="AIA-26-2",
        grade="S",
        source="https://example.org/corrigendum",
        changes={"from": "2028-01-01"},
        ground="Corrigendum",
    )
    fact = lawbook(cast.olivia).find("obligations", "AIA-26-2")
    assert fact is not None
    assert fact.row["from"] == "2028-01-01"
    assert "Olivia" in str(fact.remark(timezone.now()))
    record = RecordIndex.objects.for_tenant(cast.olivia).get(record_id=made.record_id)
    assert record.kind == "fact.overridden"
    theirs = lawbook(cast.charlie).find("obligations", "AIA-26-2")
    assert theirs is not None
    assert theirs.review is None


@pytest.mark.parametrize(
    "changes",
    [{"from": "soon"}, {"now": "maybe"}, {"duty": "Be compliant"}, {"id": "X"}],
)
def test_a_change_that_does_not_fit_is_refused(cast: Cast, changes) -> None:
    with pytest.raises(ValidationError):
        review(
            cast.olivia,
            file="obligations",
            key="AIA-4-1",
            grade="P",
            source=EUR_LEX,
            changes=changes,
            ground="Because",
        )


def test_an_earlier_check_stays_and_what_it_changed_holds_until_it_is_changed_back(cast) -> None:
    given = {"file": "incident_clocks", "key": "death_of_a_person", "grade": "P", "source": EUR_LEX}
    review(cast.olivia, **given, changes={"max_days": "9"}, ground="Corrigendum")
    review(cast.olivia, **given)
    fact = lawbook(cast.olivia).find("incident_clocks", "death_of_a_person")
    assert fact is not None
    assert fact.row["max_days"] == 9
    review(cast.olivia, **given, changes={"max_days": "10"}, ground="It was misread")
    made = FactReview.objects.for_tenant(cast.olivia).order_by("reviewed_at")
    assert [row.changes.get("max_days") for row in made] == [9, 9, None]
    assert not FactReview.objects.for_tenant(cast.charlie).exists()


def test_an_auditor_checks_nothing(cast: Cast) -> None:
    with pytest.raises(PermissionRefused):
        review(cast.audrey, file="obligations", key="AIA-4-1", grade="P", source=EUR_LEX)
    client = signed_in(cast.audrey.user)
    page = client.get(reverse("admin:dossier_facts"))
    look = reverse("admin:dossier_fact")
    assert look not in page.content.decode()
    assert client.get(look, {"file": "obligations", "key": "AIA-4-1"}).status_code == 403
    assert not FactReview.objects.for_tenant(cast.audrey).exists()


def test_the_pages_of_facts_and_of_the_register_open(cast: Cast) -> None:
    call(cast.max, NOON, provider="openai", model="gpt-5.5", answered_by="gpt-5.5-1")
    client = signed_in(cast.olivia.user)
    for name in FILES:
        assert client.get(reverse("admin:dossier_facts"), {"file": name}).status_code == 200
    look = f"{reverse('admin:dossier_fact')}?file=obligations&key=AIA-4-1"
    assert client.get(look).status_code == 200
    fields = {
        f"row_{name}": value
        for name, value in lawbook(cast.olivia).find("obligations", "AIA-4-1").row.items()  # type: ignore[union-attr]
        if name in ("duty", "from", "now", "lim")
    }
    posted = client.post(look, {"grade": "P", "source": EUR_LEX, "ground": "", **fields})
    assert posted.status_code == 302
    confirmed = lawbook(cast.olivia).find("obligations", "AIA-4-1")
    assert confirmed is not None
    assert confirmed.review is not None
    assert confirmed.review.act == "confirmed"
    assert "gpt-5.5" in client.get(reverse("admin:dossier_upstream")).content.decode()
    for name in ("model", "complaint"):
        address = reverse(f"admin:dossier_upstream_{name}")
        assert client.get(address, {"model": "gpt-5.5"}).status_code == 200
    for name in ("upstreamdocument", "upstreamrequest"):
        assert client.get(reverse(f"admin:dossier_{name}_add")).status_code == 200
        assert client.get(reverse(f"admin:dossier_{name}_changelist")).status_code == 200
