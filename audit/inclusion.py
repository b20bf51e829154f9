"""The proof that one record is in the log, as a file (C2SP ``tlog-proof``)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from uuid import UUID

from audit.checkpoints import latest_of_log
from audit.models import Log
from audit.positions import position_of
from audit.reading import RecordNotFound, record_bytes
from audit.tree import StoredTree


class NotSealedYet(LookupError):
    """No signed checkpoint covers the record so far; moments later one will."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A record, its place, and the audit path to the root of a signed checkpoint."""

    record: bytes
    index: int
    size: int
    path: list[bytes]
    checkpoint: str

    @property
    def tlog_proof(self) -> str:
        """The proof in the format ``c2sp.org/tlog-proof@v1``; the record's bytes go beside it."""
        path = "".join(f"{base64.b64encode(item).decode()}\n" for item in self.path)
        return f"c2sp.org/tlog-proof@v1\nindex {self.index}\n{path}\n{self.checkpoint}"


def prove_inclusion(organisation_id: UUID, record_id: UUID) -> Inclusion:
    """Prove that the record stands in the organisation's log, against its newest checkpoint.

    Raises :class:`RecordNotFound` and :class:`NotSealedYet`.
    """
    data = record_bytes(organisation_id, record_id)
    for log in Log.objects.for_organisation(organisation_id).order_by("-epoch"):
        index = position_of(log.number, record_id)
        checkpoint = latest_of_log(log.number)
        if index is not None and checkpoint is not None and index < checkpoint.size:
            path = StoredTree(log.number).inclusion_proof(index, checkpoint.size)
            return Inclusion(data, index, checkpoint.size, path, checkpoint.note)
    raise NotSealedYet(f"The record {record_id} is not sealed yet.")


__all__ = ["Inclusion", "NotSealedYet", "RecordNotFound", "prove_inclusion"]
