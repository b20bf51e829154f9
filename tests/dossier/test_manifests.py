"""What the manifests say is what the log says, leaf by leaf, and nothing else (promise P9)."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from jsonschema import Draft202012Validator

from audit.checkpoints import verification_key
from dossier import bundle
from dossier.declarations import declare
from dossier.formats import SCHEMAS, FormatBroken, check
from dossier.integrity import choose_checkpoint
from dossier.models import Declaration, Dossier, Kind
from dossier.production import claim_dossier
from dossier.scheduling import request_dossier
from tests.cast import Cast
from tests.dossier.scene import call, settings_row
from tests.dossier.test_production import QuickPaper
from tests.sealing import seal

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
NOON = datetime(2026, 10, 10, 12, tzinfo=UTC)


def members(cast: Cast, kind: Kind, folder: Path) -> dict[str, Any]:
    """Make the bundle of October and read it: JSON files parsed, others as bytes."""
    made = request_dossier(cast.olivia, kind=kind, first=FIRST, last=LAST)
    seal()
    claim = claim_dossier(made.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    folder.mkdir(exist_ok=True)
    built = bundle.build(claim.dossier, folder, QuickPaper(), lambda stage, percent: None)
    found: dict[str, Any] = {}
    with zipfile.ZipFile(built.path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            inner = name.partition("/")[2]
            found[inner] = json.loads(data) if inner.endswith(".json") else data
    return found


def section(manifest: dict[str, Any], number: str) -> dict[str, Any]:
    return next(part for part in manifest["sections"] if part["number"] == number)


def leaves(manifest: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{part['number']}.{block['key']}.{key}", leaf)
        for part in manifest["sections"]
        for block in part["blocks"]
        for key, leaf in block["fields"].items()
    ]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Kind.ART53, {"art53_manifest.json", "provider_manifest.json"}),
        (Kind.ART10, {"art10_manifest.json", "data_flow_manifest.json"}),
        (
            Kind.FULL,
            {
                "full_manifest.json",
                "provider_manifest.json",
                "data_flow_manifest.json",
                "incidents.json",
                "oversight.json",
            },
        ),
    ],
)
def test_each_kind_has_its_files_and_every_file_fits_its_schema(
    cast, tmp_path, kind, names
) -> None:
    call(cast.max, NOON)
    found = members(cast, kind, tmp_path)
    common = {
        "MANIFEST.json",
        "README.txt",
        "dossier.pdf",
        "metrics.json",
        "integrity_attestation.json",
        "audit_log_period.jsonl",
        "proofs/slice.json",
    }
    assert common | names <= set(found)
    for name in (*names, "metrics.json", "integrity_attestation.json", "MANIFEST.json"):
        check(found[name])


def test_the_manifest_of_members_names_each_with_its_hash(cast: Cast, tmp_path: Path) -> None:
    import hashlib

    call(cast.max, NOON)
    found = members(cast, Kind.ART53, tmp_path)
    listed = {row["path"]: row for row in found["MANIFEST.json"]["files"]}
    assert set(listed) == set(found) - {"MANIFEST.json", "MANIFEST.json.sig", "SHA256SUMS"}
    pdf = found["dossier.pdf"]
    assert listed["dossier.pdf"]["sha256"] == hashlib.sha256(pdf).hexdigest()
    assert listed["dossier.pdf"]["bytes"] == len(pdf)


def test_an_outsider_finds_the_bundle_valid_and_any_change_to_it(cast, tmp_path) -> None:
    call(cast.max, NOON)
    members(cast, Kind.FULL, tmp_path / "made")
    (packed,) = (tmp_path / "made").glob("*.zip")
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    (inner,) = folder.iterdir()

    def verdict() -> int:
        command = [sys.executable, "verifier.py", ".", "--key", verification_key()]
        return subprocess.run(command, cwd=inner, capture_output=True, check=False).returncode

    assert verdict() == 0
    for name in ("full_manifest.json", "README.txt", "audit_log_period.jsonl"):
        path = inner / name
        before = path.read_bytes()
        path.write_bytes(before.replace(b"e", b"f", 1))
        assert verdict() == 1, name
        path.write_bytes(before)
    assert verdict() == 0


def test_the_very_exchange_is_counted_and_its_record_named(cast: Cast, tmp_path: Path) -> None:
    record_id = call(cast.max, NOON, settings=settings_row(cast.alice))
    found = members(cast, Kind.ART53, tmp_path)
    fields = section(found["art53_manifest.json"], "5")["blocks"][0]["fields"]
    assert fields["calls"]["value"] == 1
    assert fields["calls"]["state"] == "COMPUTED"
    named = [item.get("id") for item in fields["host"]["evidence"]]
    assert str(record_id) in named
    lines = [json.loads(line) for line in found["audit_log_period.jsonl"].splitlines()]
    assert str(record_id) in {line["id"] for line in lines}
    coverage = section(members(cast, Kind.ART10, tmp_path / "second")["art10_manifest.json"], "9")[
        "blocks"
    ][0]["fields"]
    assert coverage["requests"]["value"] == coverage["calls"]["value"] == 1
    assert coverage["difference"]["value"] == 0
    assert coverage["recounted"]["value"] == 2


def test_no_leaf_is_blank_and_no_field_is_called_compliant(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    manifest = members(cast, Kind.FULL, tmp_path)["full_manifest.json"]
    for place, leaf in leaves(manifest):
        assert "complian" not in place
        assert leaf["value"] not in ("", "-", "—"), place
        if leaf["value"] is None:
            assert leaf["reason"], place
        else:
            assert leaf["evidence"] or leaf["declared_by"], place


def test_every_gap_stands_in_its_section_and_in_the_list(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    manifest = members(cast, Kind.ART53, tmp_path)["art53_manifest.json"]
    gap_states = {"UNKNOWN", "NOT_FOUND", "EXPIRED", "REQUESTED", "REFUSED", "ERASED", "WITHHELD"}
    in_sections = [leaf for _, leaf in leaves(manifest) if leaf["state"] in gap_states]
    assert len(manifest["gaps"]) == len(in_sections) > 0
    total = sum(manifest["states"].values())
    assert total == len(leaves(manifest))


def test_a_declaration_is_a_persons_statement_and_expires(cast: Cast, tmp_path: Path) -> None:
    row = declare(cast.olivia, key="role.role", value="deployer")
    old = declare(cast.olivia, key="role.reasons", value="Own staff only")
    Declaration.objects.for_tenant(cast.olivia).filter(pk=old.pk).update(
        declared_at=timezone.now() - timedelta(days=400),
        expires_at=timezone.now() - timedelta(days=35),
    )
    fields = section(members(cast, Kind.ART10, tmp_path)["art10_manifest.json"], "1")["blocks"][0]
    role, reasons = fields["fields"]["role"], fields["fields"]["reasons"]
    assert (role["state"], role["value"]) == ("DECLARED", "deployer")
    assert role["declared_by"]["name"] == "Olivia"
    assert role["evidence"][0]["id"] == str(row.record_id)
    assert (reasons["state"], reasons["value"]) == ("EXPIRED", "Own staff only")


def test_without_a_role_sections_that_hang_on_it_say_so(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    notes = section(members(cast, Kind.ART53, tmp_path)["art53_manifest.json"], "5")["notes"]
    assert notes[0].startswith("Role not determined")
    declare(cast.olivia, key="role.role", value="deployer")
    again = members(cast, Kind.ART10, tmp_path / "second")["art10_manifest.json"]
    assert not section(again, "8")["notes"][0].startswith("Role not determined")


def test_upstream_facts_are_quoted_and_the_rest_is_unknown(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON, provider="openai", model="gpt-5.5", answered_by="gpt-5.5", region="US")
    call(cast.max, NOON, provider="own", model="strange-7b", answered_by="", region="self-hosted")
    call(cast.max, NOON, provider="simulated", model="sim-large", region="self-hosted")
    blocks = section(members(cast, Kind.ART53, tmp_path)["art53_manifest.json"], "5")["blocks"]
    by_title = {block["title"]: block["fields"] for block in blocks}
    openai = by_title["gpt-5.5, through openai"]
    assert openai["gpai_provider_entity"]["state"] == "UPSTREAM_PUBLISHED"
    assert openai["headquarters"]["state"] == "UNKNOWN"
    checklist = by_title["Annex XII checklist for gpt-5.5"]
    assert len(checklist) == 11
    assert {leaf["state"] for leaf in checklist.values()} == {"UNKNOWN"}
    assert by_title["strange-7b, through own"]["maker"]["state"] == "UNKNOWN"
    simulated = by_title["sim-large, through simulated"]["art53"]
    assert simulated["state"] == "NOT_APPLICABLE"
    assert simulated["evidence"][0]["decided_by"]


def test_settings_are_printed_as_entered_and_give_way_to_declarations(cast, tmp_path) -> None:
    call(cast.max, NOON, settings=settings_row(cast.alice))
    declare(cast.olivia, key="flow.retention", subject="mistral_ai", value="None: zero retention")
    blocks = section(members(cast, Kind.ART10, tmp_path)["art10_manifest.json"], "8")["blocks"]
    flow = next(block for block in blocks if block["key"] == "flow_1")["fields"]
    assert flow["entity"]["value"] == ["Mistral AI SAS"]
    assert "not confirmed by a declaration" in flow["entity"]["reason"]
    assert (flow["retention"]["state"], flow["retention"]["value"]) == (
        "DECLARED",
        "None: zero retention",
    )
    assert "no proof of a place" in flow["configured_region"]["reason"]


def test_article_10_is_said_not_to_apply_yet(cast: Cast, tmp_path: Path) -> None:
    blocks = section(members(cast, Kind.ART10, tmp_path)["art10_manifest.json"], "8")["blocks"]
    leaf = blocks[0]["fields"]["applicability"]
    assert leaf["state"] == "NOT_YET_APPLICABLE"
    assert "2 December 2027" in leaf["reason"]


def test_the_full_dossier_has_every_section_of_the_specification(cast, tmp_path) -> None:
    manifest = members(cast, Kind.FULL, tmp_path)["full_manifest.json"]
    assert [int(part["number"]) for part in manifest["sections"]] == list(range(26))


def obligations(cast: Cast, folder: Path) -> dict[str, dict[str, Any]]:
    manifest = members(cast, Kind.FULL, folder)["full_manifest.json"]
    return section(manifest, "4")["blocks"][0]["fields"]


def test_duties_depend_on_the_role_and_are_never_said_to_be_met(cast, tmp_path) -> None:
    fields = obligations(cast, tmp_path)
    assert len(fields) == 64
    assert fields["aia_26_2"]["value"] == "depends on section 1"
    assert fields["aia_53_1d"]["value"] == "addressed to others"
    assert fields["gdpr_30"]["state"] == "UNKNOWN"  # grade K is not printed as fact


def test_a_deployers_duties_apply_now_or_later_by_their_dates(cast, tmp_path) -> None:
    declare(cast.olivia, key="role.role", value="deployer")
    fields = obligations(cast, tmp_path)
    assert fields["aia_4_1"]["value"] == "applies"
    assert fields["aia_26_2"]["value"] == "later"
    assert "from 2027-12-02 and 2028-08-02" in fields["aia_26_2"]["reason"]
    assert fields["aia_9"]["value"] == "addressed to others"
    assert fields["aia_86_1"]["value"] == "disputed"
    values = {leaf["value"] for leaf in fields.values() if leaf["value"]}
    assert values <= {"applies", "later", "addressed to others", "disputed", "depends on section 3"}


def test_none_recorded_is_not_none_occurred(cast: Cast, tmp_path: Path) -> None:
    found = members(cast, Kind.FULL, tmp_path)["incidents.json"]
    opened = found["section"]["blocks"][0]["fields"]["opened"]
    assert opened["value"] == 0
    assert "no incident was recorded" in opened["reason"]
    assert "coverage" in opened["reason"]


def test_what_a_role_excludes_names_who_decided(cast: Cast, tmp_path: Path) -> None:
    declare(cast.olivia, key="role.role", value="deployer")
    manifest = members(cast, Kind.FULL, tmp_path)["full_manifest.json"]
    leaf = section(manifest, "18")["blocks"][0]["fields"]["risk_management"]
    assert leaf["state"] == "NOT_APPLICABLE"
    assert leaf["evidence"][0]["decided_by"].startswith("Olivia")


def test_a_version_that_changed_under_the_same_name_is_noticed(cast, tmp_path) -> None:
    call(cast.max, NOON, answered_by="mistral-large-2411")
    call(cast.max, NOON + timedelta(days=1), answered_by="mistral-large-2512")
    manifest = members(cast, Kind.FULL, tmp_path)["full_manifest.json"]
    versions = next(b for b in section(manifest, "21")["blocks"] if b["key"] == "versions")
    leaf = versions["fields"]["versions_1"]
    assert leaf["value"] == ["mistral-large-2411", "mistral-large-2512"]
    assert "more than one version" in leaf["reason"]


def test_versions_are_said_once_for_a_model_and_not_for_what_was_blocked(cast, tmp_path) -> None:
    call(cast.max, NOON, answered_by="mistral-large-2411")
    call(cast.max, NOON, answered_by="mistral-large-2512", region="DE")
    call(cast.max, NOON, model="", provider="openai_compatible", state="blocked")
    manifest = members(cast, Kind.FULL, tmp_path)["full_manifest.json"]
    versions = next(b for b in section(manifest, "21")["blocks"] if b["key"] == "versions")
    assert [leaf["value"] for leaf in versions["fields"].values()] == [
        ["mistral-large-2411", "mistral-large-2512"]
    ]


def test_a_small_number_of_people_is_not_printed(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    blocks = section(members(cast, Kind.ART53, tmp_path)["art53_manifest.json"], "11")["blocks"]
    assert blocks[0]["fields"]["people"]["value"] == "fewer than 5"


def test_the_attestation_has_the_five_fields_and_the_checkpoint(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    found = members(cast, Kind.ART53, tmp_path)["integrity_attestation.json"]
    assert found["verified"] is True
    assert found["total_entries"] == found["entries_checked"] > 0
    assert found["first_broken_at"] is None
    assert found["message"].startswith("All ")
    assert found["checkpoint"].startswith(found["origin"])


def test_a_period_without_a_call_makes_a_dossier_too(cast: Cast, tmp_path: Path) -> None:
    for kind in Kind:
        found = members(cast, kind, tmp_path / kind.value)
        assert found[f"{kind.value}_manifest.json"]["states"]["COMPUTED"] > 0


def test_nothing_of_another_organisation_is_in_the_bundle(cast: Cast, tmp_path: Path) -> None:
    call(cast.charlie, NOON, provider="strangers-own", model="strangers-model")
    whole = json.dumps(
        members(cast, Kind.FULL, tmp_path),
        default=lambda data: data.decode(errors="replace"),
    )
    assert "strangers" not in whole
    assert str(cast.other_organisation.pk) not in whole


def test_the_prompts_and_people_of_the_log_are_not_in_the_manifests(cast, tmp_path) -> None:
    call(cast.max, NOON)
    found = members(cast, Kind.FULL, tmp_path)
    text = json.dumps({name: data for name, data in found.items() if name.endswith(".json")})
    assert cast.max.user.email not in text
    assert str(cast.max.user.pk) not in text


@pytest.mark.parametrize("path", sorted(SCHEMAS.iterdir()), ids=lambda path: path.stem)
def test_each_schema_is_one_itself(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


def test_what_breaks_its_schema_is_not_written() -> None:
    with pytest.raises(FormatBroken, match="manifest"):
        check({"format": "lex-custis/manifest/v1", "files": []})


def test_the_zip_is_the_same_bytes_each_time(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    made = request_dossier(cast.olivia, kind=Kind.FULL, first=FIRST, last=LAST)
    seal()
    claim = claim_dossier(made.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    digests = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        built = bundle.build(claim.dossier, folder, QuickPaper(), lambda stage, percent: None)
        digests.add((built.sha256, built.manifest_sha256))
        assert zipfile.ZipFile(io.BytesIO(built.path.read_bytes())).testzip() is None
    assert len(digests) == 1
    assert Dossier.unscoped.get(pk=made.pk).state == "running"
