"""The register of AI systems, and to which of them a call belongs."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.http import Http404

from audit.models import RecordIndex
from orgs import systems
from orgs.keys import create_key, tenant_of_text
from orgs.models import AISystem
from orgs.roles import Permission
from orgs.tenancy import PermissionRefused, Tenant
from tests.cast import Cast


def kinds(tenant: Tenant) -> list[str]:
    rows = RecordIndex.objects.for_tenant(tenant).filter(kind__startswith="system.")
    return list(rows.order_by("at", "record_id").values_list("kind", flat=True))


def test_a_new_organisation_has_one_system_and_calls_belong_to_it(cast: Cast) -> None:
    (first,) = systems.systems_of(cast.alice)
    assert cast.organisation.default_system_id == first.pk
    assert systems.system_of_call(cast.max) == first.pk
    assert systems.choices(cast.max) == [first]


def test_systems_are_registered_changed_and_retired_on_the_record(cast: Cast) -> None:
    made = systems.register_system(
        cast.olivia, name="Claims assistant", overseers=[cast.olivia.user], purpose="Drafts letters"
    )
    systems.change_system(cast.olivia, made, purpose="Drafts letters to customers")
    systems.change_system(cast.olivia, made, purpose="Drafts letters to customers")
    systems.change_system(cast.olivia, made, status=AISystem.Status.RETIRED)
    made.refresh_from_db()
    assert made.retired_on is not None
    assert kinds(cast.olivia) == ["system.registered", "system.changed", "system.retired"]


def test_who_may_not_change_the_organisation_registers_nothing(cast: Cast) -> None:
    with pytest.raises(PermissionRefused):
        systems.register_system(cast.max, name="Mine")
    assert kinds(cast.alice) == []


def test_a_system_has_a_name_of_its_own_and_days_in_order(cast: Cast) -> None:
    systems.register_system(cast.olivia, name="Search")
    with pytest.raises(ValidationError, match="this name"):
        systems.register_system(cast.olivia, name="search")
    with pytest.raises(ValidationError, match="The year is mistyped"):
        systems.register_system(cast.olivia, name="Old", in_use_since=date(1, 1, 1))
    with pytest.raises(ValidationError, match="before the first day"):
        systems.register_system(
            cast.olivia,
            name="Old",
            status=AISystem.Status.RETIRED,
            in_use_since=date(2026, 5, 1),
            retired_on=date(2026, 4, 1),
        )


def test_only_members_oversee(cast: Cast) -> None:
    with pytest.raises(ValidationError, match="Only members"):
        systems.register_system(cast.olivia, name="Theirs", overseers=[cast.charlie.user])


def test_the_default_can_be_moved_and_not_retired(cast: Cast) -> None:
    (first,) = systems.systems_of(cast.olivia)
    with pytest.raises(ValidationError, match="another the default"):
        systems.change_system(cast.olivia, first, status=AISystem.Status.RETIRED)
    other = systems.register_system(cast.olivia, name="Other")
    systems.make_default(cast.olivia, other)
    cast.organisation.refresh_from_db()
    assert cast.organisation.default_system_id == other.pk
    systems.change_system(cast.olivia, first, status=AISystem.Status.RETIRED)
    assert systems.choices(cast.olivia) == [other]


def test_a_keys_calls_belong_to_its_system(cast: Cast) -> None:
    other = systems.register_system(cast.olivia, name="Batch")
    key, text = create_key(cast.alice, name="batch", scopes=[Permission.CHAT])
    systems.put_key_into(cast.alice, key, other)
    tenant = tenant_of_text(text)
    assert tenant is not None
    assert systems.system_of_call(tenant) == other.pk
    with pytest.raises(ValidationError, match="another AI system"):
        systems.system_of_call(tenant, cast.organisation.default_system_id)


def test_a_system_of_another_organisation_does_not_exist(cast: Cast) -> None:
    (theirs,) = systems.systems_of(cast.charlie)
    with pytest.raises(Http404):
        systems.find_system(cast.alice, theirs.pk)
    with pytest.raises(ValidationError):
        systems.system_of_call(cast.max, theirs.pk)


def test_a_retired_system_takes_no_new_calls(cast: Cast) -> None:
    gone = systems.register_system(cast.olivia, name="Gone")
    systems.change_system(cast.olivia, gone, status=AISystem.Status.RETIRED)
    with pytest.raises(ValidationError):
        systems.system_of_call(cast.max, gone.pk)
