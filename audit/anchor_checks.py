"""Checking stored anchors again, and handing them out so that others can.

An insider who holds the key and the database can sign a rewritten log. What he cannot do is make
the anchors fit it: they are about the old notes. So each anchor is checked against the tree as it
stands now, not only against the note that is stored beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from audit.anchor_models import Anchor, AnchorKind
from audit.anchors import authorities, witnesses
from audit.logs import current_log
from audit.models import Checkpoint, Log
from audit.notes import InvalidNote, parse_head, split_note
from audit.posting import AnchorFailed
from audit.timestamps import verify_time_stamp
from audit.tree import StoredTree, TreeIncomplete
from audit.witnesses import verify_cosignature

_HOW_TO = """\
Anchors: what outsiders stated about heads of this log.

A file NAME.tsr is a time stamp (RFC 3161) over the file CHECKPOINT that the table below names:

    openssl ts -verify -in NAME.tsr -data CHECKPOINT -CAfile CA.pem

Get CA.pem, the root certificate of the authority, from the authority itself. Whether an authority
is a qualified one stands in the trusted list of its member state, not here.

A file NAME.cosignature is a witness's signature line (C2SP tlog-cosignature, type 0x04) under the
text of CHECKPOINT. Get the witness's key from the witness.

That a record stands under a checkpoint is shown by verifier.py; an anchor adds that the checkpoint
existed at the stated time.

"""


@dataclass
class AnchorReport:
    """What checking the anchors of a log found."""

    checked: int = 0
    problems: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether nothing was found; look at ``not_checked`` too."""
        return not self.problems


def verify_anchors(organisation_id: UUID, log: Log | None = None) -> AnchorReport:
    """Check every anchor of a log against its outsider's key and the tree of today.

    Without a *log* it is the organisation's current one. Anchors of outsiders that are no longer
    configured are named in ``not_checked``.
    """
    report = AnchorReport()
    log = log or current_log(organisation_id)
    tree = StoredTree(log.number)
    for anchor in _anchors(organisation_id, log.number):
        try:
            if _check(anchor, tree):
                report.checked += 1
            else:
                report.not_checked.append(f"{anchor}: not configured any more, so no key to use")
        except (AnchorFailed, InvalidNote, TreeIncomplete) as error:
            report.checked += 1
            report.problems.append(f"The anchor {anchor} does not hold. {error}")
    return report


def write_anchors(organisation_id: UUID, folder: Path, *, up_to: int | None = None) -> list[str]:
    """Write the anchors of the current log's heads, of at most *up_to* records, into *folder*.

    Returns the names of the files, none where there are no anchors.
    """
    names: list[str] = []
    rows: list[str] = []
    for anchor in _anchors(organisation_id, current_log(organisation_id).number):
        if up_to is not None and anchor.size > up_to:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        note, statement = _file_names(anchor)
        (folder / note).write_text(anchor.checkpoint.note, encoding="utf-8", newline="\n")
        (folder / statement).write_bytes(bytes(anchor.token))
        names += [name for name in (note, statement) if name not in names]
        rows.append(f"{anchor.at:%Y-%m-%dT%H:%M:%SZ}  {statement}  {note}  {anchor.authority}\n")
    if rows:
        (folder / "README.txt").write_text(_HOW_TO + "".join(rows), encoding="utf-8")
        names.append("README.txt")
    return names


def _check(anchor: Anchor, tree: StoredTree) -> bool:
    """Whether the anchor could be checked; raises what is wrong with it."""
    checkpoint: Checkpoint = anchor.checkpoint
    head = parse_head(split_note(checkpoint.note)[0])
    if (head.size, checkpoint.log_number) != (anchor.size, anchor.log_number):
        raise AnchorFailed("It is about another checkpoint than it says.")
    if head.root != tree.root(head.size):
        raise AnchorFailed(f"The first {head.size} entries are not those that were anchored.")
    if anchor.kind == AnchorKind.TIME_STAMP:
        for authority in authorities():
            if authority.name == anchor.authority:
                data = checkpoint.note.encode()
                stamp = verify_time_stamp(bytes(anchor.token), data, authority.certificates)
                return _same_time(anchor, stamp.at)
    for witness in witnesses():
        if witness.name == anchor.authority and anchor.kind == AnchorKind.COSIGNATURE:
            line = bytes(anchor.token).decode(errors="replace")
            return _same_time(anchor, verify_cosignature(line, checkpoint.note, witness).at)
    return False


def _same_time(anchor: Anchor, at: object) -> bool:
    if anchor.at != at:
        raise AnchorFailed("The time stored beside it is not the time it states.")
    return True


def _anchors(organisation_id: UUID, log_number: int) -> Iterator[Anchor]:
    found = Anchor.objects.for_organisation(organisation_id).filter(log_number=log_number)
    yield from found.select_related("checkpoint").order_by("id").iterator(chunk_size=500)


def _file_names(anchor: Anchor) -> tuple[str, str]:
    ending = "tsr" if anchor.kind == AnchorKind.TIME_STAMP else "cosignature"
    number = f"{anchor.size:012d}"
    return f"{number}-{anchor.checkpoint_id}.checkpoint", f"{number}-{anchor.pk}.{ending}"
