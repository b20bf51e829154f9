"""Erasing 30 % of all content: roots and proofs stay what they were, byte for byte (P5).

A log with content is sealed; its heads, the proof of every record, the consistency proofs between
all heads and the exported slice are kept. Then a random 30 % of its content is erased, as an
officer does it. Everything kept must come out identical, the log must verify, what was erased must
be gone, and a single further slot that is deleted without a record must be found.

    python -m benchmarks.erasure_campaign       (SCALE=ci: 200 records, SCALE=full: 3,000)
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from benchmarks.ledger_instance import instance, is_full, tell, tell_machine

SHARE = 0.3


@dataclass(frozen=True)
class Evidence:
    """What an outsider may hold of a log: each thing by its name."""

    held: dict[str, bytes]

    def differences(self, other: Evidence) -> int:
        """How many of the things held here are not the same there."""
        return sum(other.held.get(name) != value for name, value in self.held.items())


def main(scale: str | None = None) -> None:
    """Run the campaign and print its figures; raises where something changed."""
    size = 3000 if is_full(scale) else 200
    chance = random.Random(os.environ.get("SEED", "1"))
    tell_machine()
    with instance(durable=False):
        from audit.erasure import Ground, erase
        from audit.logs import current_log
        from audit.reading import read_contents
        from audit.sealing import seal_once
        from audit.verification import verify_log
        from orgs.members import add_member
        from orgs.models import User
        from orgs.organisations import create_organisation
        from orgs.roles import Role
        from orgs.tenancy import tenant_of

        organisation = create_organisation(name="Erased", slug="erased")
        officer = User.objects.create_user("officer@example.org", name="Officer")
        tenant = tenant_of(add_member(organisation, officer, Role.COMPLIANCE_OFFICER))
        places = _write(organisation.pk, size, chance)
        until = datetime.now(UTC)
        seal_once()
        sealed = current_log(organisation.pk).signed_size
        before = _evidence(organisation.pk, until, sealed)
        erased = chance.sample(places, int(len(places) * SHARE))
        erase(tenant, erased, Ground.REQUEST)
        seal_once()
        after = _evidence(organisation.pk, until, sealed)
        texts = read_contents(organisation.pk, places)
        report = verify_log(organisation.pk)
        tell(
            "roots, proofs and slices changed by erasing 30 % of the content",
            before.differences(after),
            f"of {len(before.held)}",
            goal="<= 0",
            reference=f"{len(erased)} of {len(places)} slots erased",
        )
        readable = sum(texts[place] is not None for place in erased)
        lost = sum(texts[place] is None for place in set(places) - set(erased))
        tell("erased slots that can still be read", readable, "slots", goal="<= 0")
        tell("other slots that were lost", lost, "slots", goal="<= 0")
        tell("problems the verification finds", len(report.problems), "problems", goal="<= 0")
        _delete_silently(chance.choice(sorted(set(places) - set(erased))))
        found = not verify_log(organisation.pk).valid
        tell("one more slot deleted without a record, found", int(found), "of 1", goal=">= 1")
        print("\n".join(report.problems[:5]), file=sys.stderr)
    if before.differences(after) or readable or lost or report.problems or not found:
        raise RuntimeError("Erasing changed what it must not change.")


def _write(organisation_id: UUID, size: int, chance: random.Random) -> list[tuple[UUID, str]]:
    """Append records with content, sealed in steps; return all content slots."""
    from audit.kinds import Kind
    from audit.ledger import Draft, Text, commit_blocking
    from audit.sealing import seal_once

    places = []
    for number in range(size):
        slots = ("prompt", "system")[: chance.randrange(1, 3)]
        content = {slot: Text(chance.randbytes(50).hex()) for slot in slots}
        draft = Draft(
            organisation_id,
            Kind.INFERENCE_REQUESTED,
            {"id": "somebody", "type": "user"},
            {"lexcustis.number": number},
            content=content,
        )
        receipt = commit_blocking(draft)
        places += [(receipt.record_id, slot) for slot in slots]
        if chance.random() < 0.1:
            seal_once()
    return places


def _evidence(organisation_id: UUID, until: datetime, sealed: int) -> Evidence:
    """Heads up to size *sealed*, proofs in it, and the slice of what was written before *until*."""
    from audit.logs import current_log
    from audit.models import Checkpoint, RecordIndex
    from audit.positions import positions_of
    from audit.slices import export_period
    from audit.tree import StoredTree

    log = current_log(organisation_id)
    tree = StoredTree(log.number)
    held: dict[str, bytes] = {}
    heads = Checkpoint.objects.filter(log_number=log.number, size__lte=sealed)
    sizes = []
    for head in heads.order_by("size"):
        held[f"checkpoint {head.size}"] = head.note.encode()
        held[f"root {head.size}"] = tree.root(head.size)
        sizes.append(head.size)
    for old, new in pairwise(sizes):
        held[f"consistency {old} {new}"] = b"".join(tree.consistency_proof(old, new))
    rows = RecordIndex.objects.for_organisation(organisation_id).filter(at__lt=until)
    for record_id, index in positions_of(log.number, rows.values_list("pk", flat=True)).items():
        held[f"inclusion {record_id}"] = b"".join(tree.inclusion_proof(index, sealed))
    with tempfile.TemporaryDirectory() as folder:
        export_period(organisation_id, until - timedelta(days=1), until, Path(folder))
        for path in sorted(Path(folder).rglob("*")):
            # The newest head is another one after the erasure, which is itself recorded.
            if path.is_file() and path.name not in {"checkpoint_latest.txt", "slice.json"}:
                name = path.relative_to(folder).as_posix()
                held[f"slice {name}"] = hashlib.sha256(path.read_bytes()).digest()
    return Evidence(held)


def _delete_silently(place: tuple[UUID, str]) -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_content DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM audit_content WHERE record_id = %s AND slot = %s", place)


if __name__ == "__main__":
    main(os.environ.get("SCALE"))
