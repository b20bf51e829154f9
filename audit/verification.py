"""Verifying a whole log from inside: every record, the tree, every checkpoint, every content.

It reads what is stored and trusts none of it but the signer's public key. What outsiders run is
:mod:`audit.verifier`, which needs nothing of this product; the two share no code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from audit.anchor_checks import verify_anchors
from audit.canonical import NotCanonical
from audit.checkpoint_keys import CheckpointKeys
from audit.commitments import commitment
from audit.hashing import Frontier, leaf_hash, split
from audit.kinds import Kind
from audit.logs import current_log, log_of_epoch
from audit.models import Checkpoint, Content, Log, Position, Record, RecordIndex, Verification
from audit.notes import InvalidNote
from audit.reading import opened
from audit.records import parse
from audit.signer import SignerUnavailable, signer
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.vault import VaultError

REMOVED = "it is not there any more"
CHANGED = "its bytes are not those that were sealed"
MAX_PROBLEMS = 50

NOT_CHECKED = (
    "Whether a record says the truth about what happened, and whether everything was recorded.",
    "Whether somebody outside remembers another head: compare a checkpoint they hold.",
)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """The first record that is not what it was, and why."""

    position: int
    record_id: str
    reason: str


@dataclass(slots=True)
class Report:
    """What a verification found. ``valid`` says that nothing was found to be wrong."""

    valid: bool
    size: int
    entries_checked: int
    first_bad: BadRecord | None
    problems: list[str]
    not_checked: list[str]
    checked_at: datetime


@dataclass(slots=True)
class _Walk:
    """What is carried from record to record."""

    log: Log
    frontier: Frontier = field(default_factory=Frontier)
    seen: set[UUID] = field(default_factory=set)
    writers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    missing: dict[tuple[UUID, str], int] = field(default_factory=dict)
    excused: set[tuple[str, str]] = field(default_factory=set)
    first_bad: BadRecord | None = None
    problems: list[str] = field(default_factory=list)
    checked: int = 0

    def bad(self, position: int, record_id: UUID, reason: str) -> None:
        """Note a record that is wrong."""
        if self.first_bad is None or position < self.first_bad.position:
            self.first_bad = BadRecord(position, str(record_id), reason)
        self.problem(f"Record {record_id} at position {position}: {reason}")

    def problem(self, message: str) -> None:
        """Note anything that is wrong."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(message)


def verify_log(
    organisation_id: UUID,
    progress: Callable[[int, int], None] | None = None,
    *,
    epoch: int | None = None,
) -> Report:
    """Verify the organisation's current log, or that of an earlier *epoch*.

    *progress* is told (done, all) now and then. Raises :class:`audit.logs.NoLog`.
    """
    current = current_log(organisation_id)
    log = current if epoch is None else log_of_epoch(organisation_id, epoch)
    walk = _Walk(log, excused=_excused_later(log))
    checkpoints = _Checkpoints(walk)
    for row in Position.objects.filter(log_number=log.number).order_by("first").iterator(200):
        if row.first != walk.frontier.size:
            walk.problem(f"The positions from {walk.frontier.size} to {row.first - 1} are missing.")
            break
        _check_row(walk, row, checkpoints)
        if progress is not None:
            progress(walk.frontier.size, log.size)
    _check_head(walk)
    checkpoints.finish()
    _check_writers(walk)
    _check_missing(walk)
    anchors = verify_anchors(organisation_id, log)
    if log.epoch > 1:
        checkpoints.not_checked.append(f"The {log.epoch - 1} epochs before this one.")
    if log.epoch < current.epoch:
        checkpoints.not_checked.append(
            "The records of later epochs, which say what of this one was erased: verify them too."
        )
    for problem in anchors.problems:
        walk.problem(problem)
    return Report(
        valid=not walk.problems,
        size=log.size,
        entries_checked=walk.checked,
        first_bad=walk.first_bad,
        problems=walk.problems,
        not_checked=[*NOT_CHECKED, *checkpoints.not_checked, *anchors.not_checked],
        checked_at=timezone.now(),
    )


def verify_and_keep(
    tenant: Tenant, progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Verify the tenant's log and keep the report. Needs ``audit:read``."""
    tenant.require(Permission.AUDIT_READ)
    started_at = timezone.now()
    report = verify_log(tenant.organisation_id, progress)
    kept: Verification = Verification.objects.create(
        organisation_id=tenant.organisation_id,
        log_number=current_log(tenant.organisation_id).number,
        started_at=started_at,
        checked_at=report.checked_at,
        size=report.size,
        entries_checked=report.entries_checked,
        valid=report.valid,
        report=as_json(report),
    )
    return kept


def as_json(report: Report) -> dict[str, Any]:
    """The report in types that JSON has."""
    return {**asdict(report), "checked_at": report.checked_at.isoformat()}


def _check_row(walk: _Walk, row: Position, checkpoints: _Checkpoints) -> None:
    """Check the records of one row of positions, and their content."""
    records = Record.objects.filter(pk__in=row.ids, log_number=walk.log.number).in_bulk()
    contents: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for content in Content.objects.filter(record_id__in=row.ids):
        contents[content.record_id][content.slot] = content
    hashes = split(bytes(row.hashes))
    for offset, (record_id, stored) in enumerate(zip(row.ids, hashes, strict=True)):
        position = row.first + offset
        record = records.get(record_id)
        if record is None:
            walk.bad(position, record_id, REMOVED)
            leaf = stored
        else:
            data = bytes(record.bytes)
            leaf = leaf_hash(data)
            if leaf != stored:
                walk.bad(position, record_id, CHANGED)
            else:
                _check_record(walk, position, record_id, data, contents[record_id])
        walk.frontier.extend([leaf])
        walk.checked += record is not None
        checkpoints.reached(walk.frontier)


def _check_record(
    walk: _Walk, position: int, record_id: UUID, data: bytes, contents: dict[str, Any]
) -> None:
    try:
        record = parse(data)
        excused = excuses(record)
    except NotCanonical as error:
        walk.bad(position, record_id, f"it is not a record of this format ({error})")
        return
    writer, number = record["writer"]
    if (record["id"], record["log"]) != (str(record_id), walk.log.origin):
        walk.bad(position, record_id, "it names another record or another log")
    if record_id in walk.seen:
        walk.bad(position, record_id, "it is in the log twice")
    walk.seen.add(record_id)
    if number in walk.writers[writer]:
        walk.bad(position, record_id, f"its writer {writer} used the number {number} before")
    walk.writers[writer].add(number)
    walk.excused |= excused
    for slot, promised in record["content"].items():
        if slot in contents:
            _check_content(walk, position, contents[slot], promised)
        else:
            walk.missing[record_id, slot] = position


def excuses(record: dict[str, Any]) -> set[tuple[str, str]]:
    """The (record id, slot) pairs whose content a record says was erased or has expired.

    Raises :class:`audit.canonical.NotCanonical` where it says so in no form of ours.
    """
    if record["kind"] not in {Kind.CONTENT_ERASED, Kind.CONTENT_EXPIRED}:
        return set()
    try:
        return {
            (entry["record"], slot)
            for entry in record["body"].get("lexcustis.erased", [])
            for slot in entry["slots"]
        }
    except (KeyError, TypeError) as error:
        raise NotCanonical("$.body: what was erased is not a list of records and slots") from error


def _excused_later(log: Log) -> set[tuple[str, str]]:
    """What the records of later epochs say was erased: texts of this one go with theirs."""
    later = Log.objects.for_organisation(log.organisation_id).filter(epoch__gt=log.epoch)
    rows = RecordIndex.objects.for_organisation(log.organisation_id).filter(
        log_number__in=later.values("number"),
        kind__in=[Kind.CONTENT_ERASED, Kind.CONTENT_EXPIRED],
    )
    excused: set[tuple[str, str]] = set()
    for record in Record.objects.filter(pk__in=rows.values("pk")):
        with suppress(NotCanonical):  # it excuses nothing, and its own epoch names it
            excused |= excuses(parse(bytes(record.bytes)))
    return excused


def _check_content(walk: _Walk, position: int, row: Any, promised: dict[str, Any]) -> None:
    try:
        salt, text = opened(row)
    except VaultError as error:
        walk.bad(position, row.record_id, f"its content “{row.slot}” does not open ({error})")
        return
    found = commitment(
        salt=salt,
        origin=walk.log.origin,
        record_id=row.record_id,
        slot=row.slot,
        media=promised["media"],
        content=text,
    )
    if found != promised["commitment"]:
        walk.bad(position, row.record_id, f"its content “{row.slot}” is not what was committed to")


def _check_head(walk: _Walk) -> None:
    if walk.frontier.size != walk.log.size:
        walk.problem(
            f"The stored head says {walk.log.size} records, the tree has {walk.frontier.size}."
        )
    elif walk.frontier.root != bytes(walk.log.root):
        walk.problem("The stored root is not the root of the records.")


def _check_writers(walk: _Walk) -> None:
    """A hole in a writer's numbers is a record that was taken away before it was sealed."""
    for writer, numbers in walk.writers.items():
        holes = sorted(set(range(1, max(numbers) + 1)) - numbers)
        if holes:
            walk.problem(f"Of writer {writer} the records {_shown(holes)} are missing.")


def _check_missing(walk: _Walk) -> None:
    for (record_id, slot), position in walk.missing.items():
        if (str(record_id), slot) not in walk.excused:
            walk.bad(position, record_id, f"its content “{slot}” is gone, and no record says why")


def _shown(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:10])
    return f"{shown} and {len(numbers) - 10} more" if len(numbers) > 10 else shown


class _Checkpoints:
    """Compares every checkpoint of the log with the tree when the walk reaches its size."""

    def __init__(self, walk: _Walk) -> None:
        self._walk = walk
        self.not_checked: list[str] = []
        self._keys: CheckpointKeys | None = None
        try:
            authority = signer()
            keys = [*authority.verification_keys(), *authority.second_keys()]
            self._keys = CheckpointKeys(keys)
        except SignerUnavailable:
            self.not_checked.append("The checkpoints' signatures: the signer cannot be reached.")
        self._waiting = self._stored()
        self._next = next(self._waiting, None)
        self._last_size = 0
        self._last_good = 0
        self._blamed = False

    def _stored(self) -> Iterator[Checkpoint]:
        checkpoints = Checkpoint.objects.filter(log_number=self._walk.log.number)
        return iter(checkpoints.order_by("size", "id").iterator(500))

    def reached(self, frontier: Frontier) -> None:
        """Check the checkpoints of the tree's present size."""
        while self._next is not None and self._next.size == frontier.size:
            self._check(self._next, frontier.root)
            if not self._blamed:
                self._last_good = frontier.size
            self._last_size = frontier.size
            self._next = next(self._waiting, None)

    def finish(self) -> None:
        """Note checkpoints over records that do not exist, and records that none covers."""
        if self._next is not None:
            self._walk.problem(
                f"A checkpoint covers {self._next.size} records, "
                f"but there are only {self._walk.frontier.size}."
            )
        elif self._last_size < self._walk.frontier.size:
            unsigned = self._walk.frontier.size - self._last_size
            self.not_checked.append(f"A signed head over the last {unsigned} records.")
        if self._keys is not None:
            self.not_checked += self._keys.not_checked()

    def _check(self, checkpoint: Checkpoint, root: bytes) -> None:
        if self._keys is None:
            return
        try:
            head = self._keys.head_of(checkpoint.note)
        except InvalidNote as error:
            self._walk.problem(f"The checkpoint of size {checkpoint.size} is not valid: {error}")
            return
        if (head.origin, head.size, head.root) != (self._walk.log.origin, checkpoint.size, root):
            self._blame(checkpoint)

    def _blame(self, checkpoint: Checkpoint) -> None:
        """A signed head does not fit: the wrong record came after the last head that did."""
        first, last = self._last_good, checkpoint.size - 1
        reason = (
            f"the signed head of size {checkpoint.size} does not fit: of the records "
            f"{first} to {last} at least one was changed together with its stored hash"
        )
        if self._blamed:
            return
        self._blamed = True
        rows = Position.objects.filter(log_number=self._walk.log.number, first__lte=first)
        row = rows.order_by("-first").first()
        if self._walk.first_bad is None and row is not None:
            self._walk.bad(first, row.ids[first - row.first], reason)
        else:
            self._walk.problem(f"From position {first} on {reason}")
