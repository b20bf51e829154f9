"""The log's own state as of one checkpoint, as sections and the attestation need it.

The checkpoint is chosen once, when the work on a dossier begins, and kept with it: a later attempt
speaks of the same tree although the log has grown since.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from audit.checkpoints import latest, verification_key
from audit.logs import current_log
from audit.models import Checkpoint
from audit.notes import short
from audit.state import ledger_state
from audit.verification import Report, verify_log
from dossier.ledger_words import in_ledger_words
from dossier.phrases import phrase

PATIENCE = timedelta(seconds=10)
_PAUSE_SECONDS = 0.1

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


def integrity_at(
    organisation_id: UUID, checkpoint_size: int, progress: Progress | None = None
) -> Integrity:
    """Verify the organisation's log, and say what holds for its first *checkpoint_size* records."""
    log = current_log(organisation_id)
    checkpoint = (
        Checkpoint.objects.filter(log_number=log.number, size=checkpoint_size)
        .order_by("id")
        .first()
    )
    report = verify_log(organisation_id, progress)
    checked = min(report.entries_checked, checkpoint_size)
    return Integrity(
        origin=log.origin,
        size=checkpoint_size,
        root=checkpoint.root_hex if checkpoint else phrase("none: nothing is sealed yet"),
        checkpoint=short(checkpoint.note) if checkpoint else "",
        checkpoint_at=f"{checkpoint.at:%Y-%m-%d %H:%M:%S} UTC" if checkpoint else phrase("never"),
        verification_key=verification_key(),
        anchoring=in_ledger_words(ledger_state(organisation_id).anchoring),
        verified=report.valid and checked == checkpoint_size,
        entries_checked=checked,
        first_bad=_first_bad(report),
        message=_message(report, checked, checkpoint_size),
        not_checked=tuple(in_ledger_words(text) for text in report.not_checked),
    )


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
            reason=report.first_bad.reason,
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
    return phrase("All %(size)s records up to the checkpoint fit the signed tree head.", size=size)
