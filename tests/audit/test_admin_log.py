"""The log's pages: a record as it was written, its place, a verification that tells the truth."""

from __future__ import annotations

import json
import time

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from audit.checkpoints import verification_key
from audit.ledger import commit_blocking
from audit.models import Verification
from audit.reading import record_bytes
from audit.running_verification import running_verification
from tests.admin_pages import furnish, request_draft, signed_in
from tests.cast import Cast
from tests.sealing import seal


@pytest.fixture
def audrey(cast: Cast) -> Client:
    return signed_in(cast.audrey.user)


def verified(cast: Cast, client: Client) -> str:
    client.post(reverse("admin:audit_verify"))
    deadline = time.monotonic() + 20
    while running_verification(cast.organisation.pk) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return client.get(reverse("admin:audit_log")).content.decode()


def test_a_record_is_shown_as_it_was_written_without_its_text(cast: Cast, audrey: Client) -> None:
    record = commit_blocking(request_draft(cast.max, "the secret of the prompt"))
    place = reverse("admin:audit_recordindex_change", args=[record.record_id])
    assert "waits for the sealer" in audrey.get(place).content.decode()
    seal()
    page = audrey.get(place)
    text = page.content.decode()
    data = record_bytes(cast.organisation.pk, record.record_id)
    assert page.context["page"].standing.is_covered
    assert json.loads(page.context["page"].pretty) == json.loads(data)
    assert record.leaf_hash.hex() in text
    assert "sealed and signed" in text
    assert "stored, encrypted" in text
    assert "the secret of the prompt" not in text
    file = audrey.get(reverse("admin:audit_download", args=[record.record_id]))
    assert file.content == data
    assert file.headers["Content-Disposition"].startswith("attachment")


def test_the_log_page_names_what_an_auditor_needs(cast: Cast, audrey: Client) -> None:
    furnish(cast)
    seal()
    text = audrey.get(reverse("admin:audit_log")).content.decode()
    assert verification_key() in text
    assert "not anchored externally" in text
    assert "has not been verified yet" in text


def test_a_whole_log_verifies_and_says_what_it_did_not_check(cast: Cast, audrey: Client) -> None:
    furnish(cast)
    seal()
    text = verified(cast, audrey)
    assert "Valid: all" in text
    assert "What this does not check" in text
    assert audrey.get(reverse("admin:audit_progress")).json() == {"running": False}


def test_a_changed_record_is_named_with_its_place_and_the_reason(
    cast: Cast, audrey: Client
) -> None:
    record = commit_blocking(request_draft(cast.max))
    seal()
    with connection.cursor() as cursor:  # what somebody with the keys to the database could do
        cursor.execute("ALTER TABLE audit_record DISABLE TRIGGER append_only")
        try:
            cursor.execute(
                "UPDATE audit_record SET bytes = bytes || '\\x20'::bytea WHERE id = %s",
                [record.record_id],
            )
        finally:
            cursor.execute("ALTER TABLE audit_record ENABLE ALWAYS TRIGGER append_only")
    text = verified(cast, audrey)
    assert "Not valid" in text
    assert str(record.record_id) in text
    assert "its bytes are not those that were sealed" in text
    kept = Verification.objects.for_tenant(cast.audrey).first()
    assert kept is not None
    assert kept.valid is False
    start = audrey.get(reverse("admin:index")).content.decode()
    assert "not valid" in start


def test_lists_are_filtered_by_kind_person_and_day(cast: Cast, audrey: Client) -> None:
    furnish(cast)
    place = reverse("admin:audit_recordindex_changelist")

    def count(query: str) -> int:
        response = audrey.get(f"{place}?{query}")
        assert response.status_code == 200
        found: int = response.context["cl"].result_count
        return found

    assert (count("kind=inference"), count("kind=inference.requested")) == (3, 2)
    assert count("kind=inference.failed") == 0
    people = [count(f"who={one.user.pk}") for one in (cast.max, cast.alice, cast.olivia)]
    assert people[0] == 4
    assert count("who=system") + sum(people) == count("")
    assert count("from=2001-01-01&to=2001-12-31") == 0
    assert count("from=2001-01-01") == count("from=nonsense&to=") == count("")
    assert count("from=0001-01-01&to=9999-12-31") == count("")
    record = audrey.get(place).context["cl"].result_list[0]
    assert count(f"q={record.record_id}") == 1
    assert count(f"q=…{str(record.record_id)[-12:]}") == 1
    assert count("q=no-identifier") == 0
    assert audrey.get(f"{place}?who=%00").status_code == 400
    said = audrey.get(f"{place}?q=no-identifier").content.decode()
    assert "“no-identifier” is no identifier" in said
