"""A dossier speaks of each AI system on its own: role, risk, oversight, calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from dossier.declarations import declare
from dossier.models import Kind
from llm.models import Inference
from orgs.systems import register_system, systems_of
from tests.admin_pages import signed_in
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_manifests import NOON, members, section


def blocks(manifest: dict[str, Any], number: str) -> dict[str, dict[str, Any]]:
    return {block["key"]: block for block in section(manifest, number)["blocks"]}


def test_each_system_has_its_own_role_risk_and_calls(cast: Cast, tmp_path: Path) -> None:
    (first,) = systems_of(cast.olivia)
    other = register_system(cast.olivia, name="Claims assistant", overseers=[cast.rita.user])
    declare(cast.olivia, key="role.role", value="deployer")
    declare(cast.olivia, key="risk.annex_iii", value="yes", subject=str(other.pk))
    made = call(cast.max, NOON)
    Inference.objects.for_tenant(cast.max).filter(pk=made).update(system=other)
    manifest = members(cast, Kind.FULL, tmp_path)["full_manifest.json"]

    roles = blocks(manifest, "1")
    assert roles["role"]["system"] == str(first.pk)
    assert roles["role"]["fields"]["role"]["value"] == "deployer"
    assert roles["role_2"]["system"] == str(other.pk)
    assert roles["role_2"]["fields"]["role"]["state"] == "UNKNOWN"
    assert roles["role_2"]["title"] == "Declared role: Claims assistant"

    registered = blocks(manifest, "2")
    assert registered["register"]["fields"]["calls"]["value"] == 0
    assert registered["register_2"]["fields"]["calls"]["value"] == 1
    evidence = registered["register_2"]["fields"]["calls"]["evidence"]
    assert str(made) in [item.get("id") for item in evidence]

    risk = blocks(manifest, "3")
    assert risk["screening"]["fields"]["annex_iii_answer"]["state"] == "UNKNOWN"
    assert risk["screening_2"]["fields"]["annex_iii_answer"]["value"] == "yes"
    assert "art5_ba_bb" in risk["screening"]["fields"]
    named = blocks(manifest, "12")["persons_2"]["fields"]["named"]
    assert named["value"] == ["Rita"]


def test_an_open_role_is_named_and_leaves_duties_open(cast: Cast, tmp_path: Path) -> None:
    register_system(cast.olivia, name="Own product")
    declare(cast.olivia, key="role.role", value="deployer")
    manifest = members(cast, Kind.FULL, tmp_path)["full_manifest.json"]
    duties = section(manifest, "4")["blocks"][0]["fields"]
    assert duties["aia_26_2"]["value"] == "later"
    assert duties["aia_9"]["value"] == "depends on section 1"
    assert "Own product" in section(manifest, "14")["notes"][0]


def test_duties_count_for_every_declared_role(cast: Cast, tmp_path: Path) -> None:
    other = register_system(cast.olivia, name="Own product")
    role = "provider of the AI system"
    declare(cast.olivia, key="role.role", value="deployer")
    declare(cast.olivia, key="role.role", value=role, subject=str(other.pk))
    manifest = members(cast, Kind.FULL, tmp_path)["full_manifest.json"]
    duties = section(manifest, "4")["blocks"][0]["fields"]
    assert duties["aia_26_2"]["value"] == duties["aia_9"]["value"] == "later"
    assert duties["aia_50_2"]["value"] == "applies"
    assert blocks(manifest, "22")["points"]["fields"]["annex_iv"]["state"] == "NOT_APPLICABLE"
    assert len(blocks(manifest, "22")["points_2"]["fields"]) == 9


def test_calls_of_no_system_are_counted_apart(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    manifest = members(cast, Kind.ART53, tmp_path)["art53_manifest.json"]
    assert blocks(manifest, "2")["recorded"]["fields"]["unassigned"]["value"] == 1


def test_a_statement_about_a_stranger_s_system_is_refused(cast: Cast) -> None:
    (theirs,) = systems_of(cast.charlie)
    with pytest.raises(ValidationError, match="AI systems"):
        declare(cast.olivia, key="role.role", value="deployer", subject=str(theirs.pk))


@pytest.mark.parametrize(
    ("key", "value"),
    [("risk.review_date", "next year"), ("risk.review_date", "2026-02-30")],
)
def test_a_day_is_a_day(cast: Cast, key: str, value: str) -> None:
    with pytest.raises(ValidationError, match="Write the day"):
        declare(cast.olivia, key=key, value=value)


def test_the_officer_registers_a_system_and_sees_what_is_missing(cast: Cast) -> None:
    client = signed_in(cast.olivia.user)
    values = {"name": "Translator", "purpose": "Translates", "status": "in_use"}
    response = client.post(reverse("admin:orgs_aisystem_add"), values)
    made = systems_of(cast.olivia).get(name="Translator")
    assert response["Location"] == reverse("admin:orgs_aisystem_change", args=[made.pk])
    page = client.get(response["Location"]).content.decode()
    assert "Role under the AI Act" in page
    assert f"subject={made.pk}" in page
    client.post(reverse("admin:orgs_aisystem_make_default", args=[made.pk]))
    cast.organisation.refresh_from_db()
    assert cast.organisation.default_system_id == made.pk
    listed = client.get(reverse("admin:orgs_aisystem_changelist")).content.decode()
    assert "Translator" in listed
    assert "not declared" in listed


def test_a_program_reads_and_writes_the_register(cast: Cast) -> None:
    client = signed_in(cast.olivia.user)
    made = client.post("/api/v1/systems", {"name": "Batch"}, content_type="application/json")
    assert made.status_code == 201, made.content
    address = f"/api/v1/systems/{made.json()['id']}"
    changed = client.patch(
        address, {"purpose": "Nightly", "is_default": True}, content_type="application/json"
    )
    assert changed.json()["is_default"] is True
    assert [row["name"] for row in client.get("/api/v1/systems").json()] == ["AI chat", "Batch"]
    assert signed_in(cast.charlie.user).get(address).status_code == 404
