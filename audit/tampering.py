"""The proof put to the test on a copy: one byte is changed, and the verifier must name the record.

Nothing in the log is touched. What is shown is what an outsider sees: the slice around the record
is exported twice, one copy is changed, and both are given to ``verifier.py``, which knows
nothing of this product's database.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from audit.checkpoints import verification_key
from audit.models import RecordIndex
from audit.slices import RECORDS_FILE, VERIFIER, export_period
from orgs.roles import Permission
from orgs.tenancy import Tenant

SHOWN = 60  # bytes on either side of the one that was changed


class NotSealed(Exception):
    """The record is not under a signed head yet: there is nothing to show."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier said: ``valid``, ``tampered`` or ``cannot_decide``, and what it found."""

    result: str
    problem: str
    checked: list[str]


@dataclass(frozen=True, slots=True)
class Tampering:
    """One byte of a copy changed, and the verdicts on the honest and on the changed copy.

    ``before`` and ``after`` are the text around the byte; ``position`` is the record's place.
    """

    record_id: UUID
    position: int
    before: str
    after: str
    honest: Verdict
    forged: Verdict

    @property
    def is_found(self) -> bool:
        """Whether the verifier named this very record, and accused nobody in the honest copy."""
        return (
            self.honest.result == "valid"
            and self.forged.result == "tampered"
            and str(self.record_id) in self.forged.problem
        )


def tamper_with_copy(tenant: Tenant, record_id: UUID) -> Tampering:
    """On a copy of a record's slice, let it say that somebody else did it. Needs ``audit:read``.

    Raises :class:`NotSealed`, and LookupError where the organisation has no such record.
    """
    tenant.require(Permission.AUDIT_READ)
    row = RecordIndex.objects.for_tenant(tenant).filter(pk=record_id).first()
    if row is None:
        raise LookupError(f"There is no record {record_id}.")
    with tempfile.TemporaryDirectory(prefix="tampering-") as name:
        folder = Path(name, "copy")
        folder.mkdir()
        slice_ = export_period(
            tenant.organisation_id, row.at, row.at + timedelta(microseconds=1), folder
        )
        lines = (folder / RECORDS_FILE).read_bytes().splitlines()
        wanted = f'"id":"{record_id}","kind":'.encode()
        index = next((place for place, line in enumerate(lines) if wanted in line), None)
        if index is None:
            raise NotSealed("The record is not under a signed head yet.")
        honest = _verdict(folder)
        line = lines[index]
        place = line.index(b'"id":"') + len('"id":"')  # who did it: the first id is the actor's
        letter = b"1" if line[place : place + 1] == b"0" else b"0"
        forged = line[:place] + letter + line[place + 1 :]
        shutil.copytree(folder, Path(name, "forged"))
        lines[index] = forged
        (Path(name, "forged") / RECORDS_FILE).write_bytes(b"\n".join(lines) + b"\n")
        return Tampering(
            record_id=record_id,
            position=slice_.first + index,
            before=_around(line, place),
            after=_around(forged, place),
            honest=honest,
            forged=_verdict(Path(name, "forged")),
        )


def _verdict(folder: Path) -> Verdict:
    """What an outsider's verifier says: in a process of its own, as an outsider runs it."""
    command = [sys.executable, str(VERIFIER), str(folder), "--key", verification_key()]
    said = subprocess.run([*command, "--json"], capture_output=True, check=False)
    value: dict[str, Any] = json.loads(said.stdout)
    return Verdict(value["result"], value["problem"] or "", value["checked"])


def _around(line: bytes, place: int) -> str:
    return line[max(0, place - SHOWN) : place + SHOWN].decode(errors="replace")
