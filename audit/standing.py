"""Whether one stored record is still what was sealed: its bytes against the head of its log.

A look at a single record, for the page that shows it. Whether the head's signature is good, and
whether the rest of the log is whole, is for :mod:`audit.verification`.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from audit import checkpoints
from audit.hashing import leaf_hash
from audit.models import Checkpoint, Log, Position
from audit.notes import parse_head, split_note
from audit.positions import position_of
from audit.proofs import verify_inclusion
from audit.tree import StoredTree, TreeIncomplete


@dataclass(frozen=True, slots=True)
class Standing:
    """A record's place in the tree, its log's newest head, and what is wrong with it, if so."""

    position: int | None
    checkpoint: Checkpoint | None
    problem: str = ""

    @property
    def is_covered(self) -> bool:
        """Whether the signed head is over the record's place."""
        checkpoint = self.checkpoint
        return (
            checkpoint is not None and self.position is not None and self.position < checkpoint.size
        )


def standing_of(log_number: int, record_id: UUID, data: bytes | None) -> Standing:
    """Where the record stands whose stored bytes are *data*, None where they are gone."""
    checkpoint = checkpoints.latest_of_log(log_number)
    if data is None:
        position = _place_of_the_lost(log_number, record_id)
        problem = _("It is not there any more: it was removed from the database.")
    else:
        position = position_of(log_number, record_id)
        problem = "" if position is None else _problem(log_number, position, checkpoint, data)
    return Standing(position, checkpoint, problem)


def _problem(log_number: int, position: int, checkpoint: Checkpoint | None, data: bytes) -> str:
    tree, leaf = StoredTree(log_number), leaf_hash(data)
    try:
        if checkpoint is not None and position < checkpoint.size:
            head = parse_head(split_note(checkpoint.note)[0])
            size, root = head.size, head.root
        else:
            log = Log.unscoped.get(pk=log_number)  # that of a record which the caller may see
            size, root = log.size, bytes(log.root)
        sealed = tree.range_root(position, position + 1)
        path = tree.inclusion_proof(position, size)
    except (TreeIncomplete, ValueError):  # a note that is none, or a head that ends before
        return _("The head or hashes of the tree are damaged: nothing proves what was sealed.")
    if leaf != sealed:
        return _("Its bytes are not those that were sealed: it was changed in the database.")
    if not verify_inclusion(leaf, index=position, size=size, proof=path, root=root):
        return _(
            "It does not lead to the root of the log: it was changed, or another record was, "
            "together with the stored hashes."
        )
    return ""


def _place_of_the_lost(log_number: int, record_id: UUID) -> int | None:
    """Where a removed record stood: a search through all rows, for nothing leads to its own."""
    row = Position.objects.filter(log_number=log_number, ids__contains=[record_id]).first()
    return None if row is None else row.first + row.ids.index(record_id)
