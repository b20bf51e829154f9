"""The commands of an operator: the first organisation, keys, erasing, pruning, guarding."""

from __future__ import annotations

import base64
import io
import secrets

import pytest
from django.core.management import CommandError, call_command

from audit.kinds import Kind
from audit.ledger import Draft, Text, commit_blocking
from audit.models import RecordIndex
from audit.reading import ContentGone, read_content
from orgs.models import Organisation, OrganisationKey, User
from tests.cast import Cast

PASSWORD = "a long enough phrase 42"


def found(monkeypatch: pytest.MonkeyPatch, mark: str, *, password: str = PASSWORD) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    told = io.StringIO()
    call_command(
        "found",
        f"Founded {mark}",
        slug=f"founded-{mark}",
        email=f"Ada-{mark}@example.org",
        person="Ada",
        stdout=told,
    )
    return told.getvalue()


def test_a_new_instance_gets_its_organisation_and_administrator(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = secrets.token_hex(4)
    assert f"ada-{mark}@example.org administers it" in found(monkeypatch, mark)
    user = User.objects.get(email=f"ada-{mark}@example.org")
    assert user.check_password(PASSWORD)
    membership = user.memberships.get()
    assert (membership.role, membership.organisation.slug) == ("administrator", f"founded-{mark}")
    organisation_id = membership.organisation_id
    assert OrganisationKey.objects.for_organisation(organisation_id).count() == 1
    kinds = RecordIndex.objects.for_organisation(organisation_id).values_list("kind", flat=True)
    assert sorted(kinds) == ["member.added", "organisation.created"]


@pytest.mark.parametrize("password", ["", "short", "password12345"])
def test_a_weak_password_founds_nothing(
    database: None, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    mark = secrets.token_hex(4)
    with pytest.raises(CommandError, match="password"):
        found(monkeypatch, mark, password=password)
    assert not User.objects.filter(email=f"ada-{mark}@example.org").exists()
    assert not Organisation.objects.filter(slug=f"founded-{mark}").exists()


def test_founding_twice_changes_nothing(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = secrets.token_hex(4)
    found(monkeypatch, mark)
    with pytest.raises(CommandError, match="already exists"):
        found(monkeypatch, mark)
    assert Organisation.objects.filter(slug=f"founded-{mark}").count() == 1


def test_a_vault_key_is_named_by_the_day_or_as_asked() -> None:
    for arguments, beginning in (((), "k20"), (("next",), "next:")):
        told = io.StringIO()
        call_command("vaultkey", *arguments, stdout=told)
        text = told.getvalue().strip()
        assert text.startswith(beginning)
        assert len(base64.b64decode(text.partition(":")[2])) == 32


def test_an_operator_erases_the_content_of_a_record(cast: Cast) -> None:
    """P5: what a command erased is gone like anything else that is erased, and recorded."""
    organisation = cast.organisation
    receipt = commit_blocking(
        Draft(
            organisation.pk,
            Kind.INFERENCE_REQUESTED,
            cast.max.actor,
            {},
            content={"prompt": Text("my illness")},
        )
    )
    assert read_content(organisation.pk, receipt.record_id, "prompt") == b"my illness"
    told = io.StringIO()
    call_command(
        "erase",
        organisation.slug,
        record=[receipt.record_id],
        ground="gdpr_17_1",
        stdout=told,
    )
    assert "recorded as" in told.getvalue()
    with pytest.raises(ContentGone):
        read_content(organisation.pk, receipt.record_id, "prompt")


def test_erasing_needs_somebody_to_erase_for(database: None) -> None:
    told = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("erase", "nobody", ground="gdpr_17_1", stderr=told)
    assert ended.value.code == 3
    assert "Name an organisation" in told.getvalue()


def test_pruning_can_be_tried_first(cast: Cast) -> None:
    told = io.StringIO()
    call_command("prune", "--dry-run", stdout=told)
    assert "expired," not in told.getvalue()


def test_the_guard_names_what_the_demos_role_could_do(database: None) -> None:
    """The bundled server has one role for everything, and the command does not hide it."""
    told = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("guard", stdout=told)
    assert ended.value.code == 1
    assert told.getvalue().strip()


def test_a_log_that_lost_nothing_needs_no_recovery(cast: Cast) -> None:
    told = io.StringIO()
    call_command("recover", stdout=told)
    assert str(cast.organisation.pk) not in told.getvalue()
