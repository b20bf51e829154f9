"""The log's own state as of one checkpoint, as sections and the attestation need it.

The checkpoint is chosen once, when the work on a dossier begins, and kept with it: a later attempt
speaks of the same tree although the log has grown since.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from audit.checkpoints import latest, verification_key
from audit.logs import current_log
from audit.models import Checkpoint, Verification
from audit.notes import short
from audit.state import ledger_state
from audit.tree_check import TreeCheck
from audit.verification import NOT_CHECKED, Report, verify_log
from dossier.ledger_words import in_ledger_words
from dossier.phrases import phrase

PATIENCE = timedelta(seconds=10)
_PAUSE_SECONDS = 0.1
# Verifying every text beside the log takes a tenth of a millisecond each: a minute for this many.
MOST_VERIFIED_COMPLETELY = 100_000
_ALL_FIT = "All %(size)s records up to the checkpoint fit the signed tree head."

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Integrity:
    """What was checked and what came out.

    ``first_bad`` names the first record that is wrong, or is None. ``root`` is in hexadecimal.
    """

    origin: str
    size: int
    root: str
    checkpoint: str
    checkpoint_at: str
    verification_key: str
    anchoring: str
    verified: bool
    entries_checked: int
    first_bad: str | None
    message: str
    not_checked: tuple[str, ...]


def choose_checkpoint(organisation_id: UUID, patience: timedelta = PATIENCE) -> int:
    """The size of the checkpoint that a new dossier speaks of, 0 where there is none.

    Waits a moment for the sealer, so that what was recorded just now is covered.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while ledger_state(organisation_id).backlog and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    checkpoint = latest(organisation_id)
    return checkpoint.size if checkpoint else 0


def tree_check_of(
    organisation_id: UUID, checkpoint_size: int, progress: Progress | None = None
) -> TreeCheck | None:
    """What is checked while the records are copied, where the log is too long for more."""
    if checkpoint_size <= MOST_VERIFIED_COMPLETELY:
        return None
    return TreeCheck(current_log(organisation_id), checkpoint_size, progress)


def integrity_at(
    organisation_id: UUID,
    checkpoint_size: int,
    progress: Progress | None = None,
    *,
    as_of: datetime,
    tree: TreeCheck | None = None,
) -> Integrity:
    """Verify the organisation's log, and say what holds for its first *checkpoint_size* records.

    With *tree*, which has seen the records of the period, only what it is about is verified:
    that the records are those of the signed head.
    """
    log = current_log(organisation_id)
    checkpoint = (
        Checkpoint.objects.filter(log_number=log.number, size=checkpoint_size)
        .order_by("id")
        .first()
    )
    result = (
        _of_tree(organisation_id, tree, as_of)
        if tree is not None
        else _complete(organisation_id, checkpoint_size, progress)
    )
    return Integrity(
        origin=log.origin,
        size=checkpoint_size,
        root=checkpoint.root_hex if checkpoint else phrase("none: nothing is sealed yet"),
        checkpoint=short(checkpoint.note) if checkpoint else "",
        checkpoint_at=f"{checkpoint.at:%Y-%m-%d %H:%M:%S} UTC" if checkpoint else phrase("never"),
        verification_key=verification_key(),
        anchoring=in_ledger_words(ledger_state(organisation_id).anchoring),
        verified=result.valid and result.checked == checkpoint_size,
        entries_checked=result.checked,
        first_bad=result.first_bad,
        message=result.message,
        not_checked=result.not_checked,
    )


@dataclass(frozen=True, slots=True)
class _Result:
    """What came out, in the words of the dossier."""

    valid: bool
    checked: int
    first_bad: str | None
    message: str
    not_checked: tuple[str, ...]


def _complete(organisation_id: UUID, size: int, progress: Progress | None) -> _Result:
    report = verify_log(organisation_id, progress)
    checked = min(report.entries_checked, size)
    return _Result(
        report.valid,
        checked,
        _first_bad(report),
        _message(report, checked, size),
        tuple(in_ledger_words(text) for text in report.not_checked),
    )


def _of_tree(organisation_id: UUID, tree: TreeCheck, as_of: datetime) -> _Result:
    tree.finish()
    message = phrase(_ALL_FIT, size=tree.size)
    if tree.problem:
        message = phrase("Not valid: %(problems)s", problems=in_ledger_words(tree.problem))
    first_bad = None
    if tree.first_bad is not None:
        first_bad = phrase("position %(position)s", position=tree.first_bad)
    not_checked = [in_ledger_words(text) for text in NOT_CHECKED]
    if not tree.signature_checked:
        not_checked.append(phrase("The checkpoints' signatures: the signer cannot be reached."))
    not_checked.append(
        phrase(
            "As the log has more than %(most)s records: the form of each record, earlier "
            "checkpoints and anchors, and whether texts kept beside the log still fit it.",
            most=MOST_VERIFIED_COMPLETELY,
        )
    )
    return _Result(
        not tree.problem,
        tree.checked,
        first_bad,
        message,
        (*not_checked, _last_complete(organisation_id, as_of)),
    )


def _last_complete(organisation_id: UUID, as_of: datetime) -> str:
    """When all of the log was verified for the last time, and what came of it."""
    verification = (
        Verification.objects.for_organisation(organisation_id)
        .filter(checked_at__lte=as_of)
        .order_by("-checked_at", "-id")
        .first()
    )
    if verification is None:
        return phrase("No complete verification of the log is on file that would have done so.")
    message = (
        "The last complete verification did so for the first %(size)s records, at %(at)s, and "
        "found nothing wrong."
        if verification.valid
        else "The last complete verification, of the first %(size)s records at %(at)s, found the "
        "log not valid."
    )
    return phrase(message, size=verification.size, at=verification.checked_at)


def _first_bad(report: Report) -> str | None:
    bad = report.first_bad
    if bad is None:
        return None
    return phrase(
        "position %(position)s, record %(record)s", position=bad.position, record=bad.record_id
    )


def _message(report: Report, checked: int, size: int) -> str:
    if report.first_bad is not None:
        return phrase(
            "Not valid: %(where)s: %(reason)s.",
            where=_first_bad(report) or "",
            reason=in_ledger_words(report.first_bad.reason),
        )
    if not report.valid:
        return phrase("Not valid: %(problems)s", problems=" ".join(report.problems))
    if checked < size:
        return phrase(
            "Not decided: %(checked)s of %(size)s records could be checked.",
            checked=checked,
            size=size,
        )
    if not size:
        return "Nothing to verify: no record is sealed yet."
    return phrase(_ALL_FIT, size=size)
