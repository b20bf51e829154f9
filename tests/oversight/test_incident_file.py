"""An incident as a file: whoever gets it checks its records with the verifier and the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit import verifier
from audit.checkpoints import verification_key
from audit.erasure import Ground, erase
from orgs.tenancy import PermissionRefused
from oversight.incident_file import as_download
from oversight.incidents import assess, open_incident
from oversight.models import Incident
from tests.cast import Cast
from tests.oversight.scene import answered
from tests.sealing import seal

WHAT = "The answer named a wrong dose: “zehn” instead of “zwei”."


@pytest.fixture
def incident(cast: Cast) -> Incident:
    inference = answered(cast.max)
    row = open_incident(
        cast.rita, description=WHAT, record_ids=[inference.pk, inference.end_record_id]
    )
    return assess(cast.olivia, row, reason="The ward said so.", category="health", country="DE")


def content(cast: Cast, incident: Incident) -> dict[str, Any]:
    file = as_download(cast.rita, incident)
    assert f'"incident_{incident.pk}.json"' in file["Content-Disposition"]
    value: dict[str, Any] = json.loads(file.content)
    return value


def test_it_says_what_is_known_and_who_said_it(cast: Cast, incident: Incident) -> None:
    said = content(cast, incident)
    assert said["format"] == "lex-custis/incident/v1"
    assert said["organisation"]["name"] == "Acme GmbH"
    assert said["incident"]["led_to"] == "health"
    assert said["incident"]["member_state"] == "DE"
    assert said["clock"]["longest_days"] == 15
    assert [(step["person"], step["text"]) for step in said["history"]] == [
        ("Rita", WHAT),
        ("Olivia", "The ward said so."),
    ]


def test_every_record_in_it_is_proven(cast: Cast, incident: Incident, tmp_path: Path) -> None:
    assert {record["tlog_proof"] for record in content(cast, incident)["records"]} == {None}
    seal()
    said = content(cast, incident)
    assert len(said["history"]) == len(said["records"]) == 2
    for entry in [*said["history"], *said["records"]]:
        record, proof = tmp_path / "record.json", tmp_path / "record.tlog-proof"
        record.write_text(entry["record"])
        proof.write_text(entry["tlog_proof"])
        arguments = ["proof", str(proof), "--record", str(record), "--key", verification_key()]
        assert verifier.main(arguments) == 0
        record.write_text(entry["record"].replace("organisation", "organization", 1) + " ")
        assert verifier.main(arguments) == 1
    assert "three months" not in json.dumps(said)  # the answer itself


def test_an_erased_description_is_left_out(cast: Cast, incident: Incident) -> None:
    erase(cast.olivia, [(incident.pk, "description")], Ground.REQUEST)
    assert content(cast, incident)["history"][0]["text"] is None


def test_it_is_for_who_handles_incidents(cast: Cast, incident: Incident) -> None:
    with pytest.raises(PermissionRefused):
        as_download(cast.alice, incident)
