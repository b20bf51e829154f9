"""The log's own state at the moment of the statement, as sections and the attestation need it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.logs import current_log
from audit.models import Checkpoint


@dataclass(frozen=True, slots=True)
class Integrity:
    """What was checked and what came out.

    ``first_bad`` names the first record that is wrong, or is None. ``root`` is in hexadecimal.
    """

    origin: str
    size: int
    root: str
    checkpoint: str
    checkpoint_size: int
    checkpoint_at: str
    verification_key: str
    anchoring: str
    verified: bool
    entries_checked: int
    first_bad: str | None
    message: str
    not_checked: tuple[str, ...]


def integrity_at(organisation_id: UUID, as_of: datetime) -> Integrity:
    """Verify the organisation's log and read its newest checkpoint up to *as_of*."""
    log = current_log(organisation_id)
    checkpoint = (
        Checkpoint.objects.filter(log_number=log.number, at__lte=as_of)
        .order_by("-size", "-id")
        .first()
    )
    return Integrity(
        origin=log.origin,
        size=checkpoint.size if checkpoint else 0,
        root=checkpoint.root_hex if checkpoint else "none",
        checkpoint=checkpoint.note if checkpoint else "",
        checkpoint_size=checkpoint.size if checkpoint else 0,
        checkpoint_at=f"{checkpoint.at:%Y-%m-%d %H:%M:%S} UTC" if checkpoint else "never",
        verification_key="none",
        anchoring="not anchored externally",
        verified=False,
        entries_checked=0,
        first_bad=None,
        message="not verified",
        not_checked=(),
    )
