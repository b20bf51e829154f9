"""A slice brings the first anchor over its records, and the verifier checks it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from audit.anchors import anchor_now
from audit.checkpoints import verification_key
from audit.slices import export_period
from audit.state import ledger_state
from audit.verification import verify_log
from tests.audit.outsiders import OpensslAuthority, SmallWitness
from tests.audit.test_anchors import grow, openssl, outsiders
from tests.audit.test_verifier import run
from tests.cast import Cast

__all__ = ["openssl", "outsiders"]


def test_time_stamp_and_cosignature_are_in_the_bundle_and_hold(
    cast: Cast,
    outsiders: SmallWitness,
    openssl: OpensslAuthority,
    tmp_path: Path,
) -> None:
    start = datetime.now(UTC)
    grow(cast)
    end = datetime.now(UTC)
    grow(cast)
    anchor_now(cast.organisation.pk)
    grow(cast)
    export_period(cast.organisation.pk, start, end, tmp_path)
    key = ("--key", verification_key())
    outside = ("--witness", outsiders.vkey, "--tsa-ca", openssl.ca_file)
    status, result = run(tmp_path, *key, *outside)
    assert status == 0, result
    assert any("cosigned by" in check for check in result["checked"])
    assert "1 time stamps fit their checkpoints" in result["checked"]
    assert verify_log(cast.organisation.pk).valid
    assert "newer entries are not anchored" in ledger_state(cast.organisation.pk).anchoring

    note = tmp_path / "proofs" / "checkpoint_anchored.txt"
    note.write_text((tmp_path / "proofs" / "checkpoint_latest.txt").read_text())
    assert run(tmp_path, *key, *outside)[0] == 1
    frame = json.loads((tmp_path / "proofs" / "slice.json").read_text())
    assert frame["consistency_to_anchored"]
