"""Members come, change and go, and each change is announced in its own transaction."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from orgs import changes
from orgs.changes import Change
from orgs.members import add_member, change_role, remove_member
from orgs.models import Membership, Organisation, User
from orgs.organisations import change_organisation, create_organisation, pause, resume
from orgs.roles import Role
from orgs.tenancy import PermissionRefused
from tests.cast import Cast


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Change]:
    """What is announced from here on, besides to the ledger."""
    announced: list[Change] = []
    subscribers = [*changes._subscribers, announced.append]
    monkeypatch.setattr(changes, "_subscribers", subscribers)
    return announced


def test_the_last_administrator_stays(cast: Cast) -> None:
    alice = Membership.objects.for_tenant(cast.alice).get(user=cast.alice.user)
    with pytest.raises(ValidationError, match="at least one administrator"):
        change_role(alice, Role.MEMBER, actor=cast.alice.actor)
    with pytest.raises(ValidationError, match="at least one administrator"):
        remove_member(alice, actor=cast.alice.actor)


def test_a_person_has_one_role_in_an_organisation(cast: Cast) -> None:
    with pytest.raises(ValidationError):
        add_member(cast.organisation, cast.max.user, Role.REVIEWER)


def test_changes_are_announced_without_names(cast: Cast, heard: list[Change]) -> None:
    membership = Membership.objects.for_tenant(cast.max).get(user=cast.max.user)
    change_role(membership, Role.REVIEWER, actor=cast.alice.actor)
    remove_member(membership, actor=cast.alice.actor)
    assert [change.kind for change in heard] == ["member.changed", "member.removed"]
    assert cast.max.user.email not in repr(heard)
    assert heard[0].details["lexcustis.role"] == Role.REVIEWER


def test_a_change_that_is_rolled_back_was_never_made(cast: Cast, heard: list[Change]) -> None:
    with transaction.atomic():
        pause(cast.olivia, reason="test")
        transaction.set_rollback(True)
    assert not Organisation.objects.get(pk=cast.organisation.pk).is_paused


def test_announcing_outside_a_transaction_is_a_mistake(cast: Cast) -> None:
    with pytest.raises(RuntimeError, match="inside the transaction"):
        changes.announce(
            Change("member.added", cast.organisation.pk, changes.SYSTEM, cast.organisation.pk)
        )


def test_pausing_needs_the_right_and_is_announced(cast: Cast, heard: list[Change]) -> None:
    with pytest.raises(PermissionRefused):
        pause(cast.max, reason="I say so")
    pause(cast.olivia, reason="Odd answers since noon")
    paused = Organisation.objects.get(pk=cast.organisation.pk)
    assert paused.is_paused
    assert paused.pause_reason == "Odd answers since noon"
    resume(cast.olivia)
    assert not Organisation.objects.get(pk=cast.organisation.pk).is_paused
    assert [change.kind for change in heard] == ["organisation.paused", "organisation.resumed"]
    assert "noon" not in repr(heard)


def test_only_what_differs_is_recorded_as_changed(cast: Cast, heard: list[Change]) -> None:
    change_organisation(cast.alice, name=cast.organisation.name, allowed_regions=["EU"])
    assert heard[-1].details["lexcustis.changed_fields"] == ["allowed_regions"]
    assert heard[-1].details["lexcustis.allowed_regions"] == ["EU"]


def test_two_organisations_cannot_share_a_short_name(cast: Cast) -> None:
    with pytest.raises(ValidationError):
        create_organisation(name="Copy", slug=cast.organisation.slug)


def test_sign_in_does_not_depend_on_case(cast: Cast) -> None:
    upper = cast.max.user.email.upper()
    assert User.objects.get_by_natural_key(upper) == cast.max.user
