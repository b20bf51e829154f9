"""The work on one dossier: claim it, make it, publish it. Once, whatever happens in between.

A claim is a lease with a number, the fence, that only grows. Every later write names its fence; a
worker that was given up for dead and comes back is refused by the row itself. What a worker leaves
behind when it is killed are files that no row names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from audit.kinds import Kind as RecordKind
from audit.ledger import Draft, append
from audit.tree import TreeIncomplete
from dossier import notices
from dossier.bundle import Bundle, build
from dossier.integrity import choose_checkpoint
from dossier.models import Dossier
from dossier.rendering import Renderer, RendererUnavailable, WeasyPrintRenderer
from dossier.scheduling import describe
from dossier.seal_keys import SealUnavailable
from orgs.changes import SYSTEM

logger = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 5
_PAUSE = timedelta(seconds=30)  # times the number of attempts so far
_LOOK_BACK = timedelta(days=2)  # for what was left beside a published dossier


class LeaseLost(Exception):
    """The row is no longer this worker's: cancelled, or taken by another after the lease."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a dossier until the lease runs out."""

    dossier: Dossier
    fence: int


def render(dossier_id: UUID, renderer: Renderer | None = None) -> bool:
    """Make and publish the dossier, unless somebody else does. True where it was published."""
    claim = claim_dossier(dossier_id)
    if claim is None:
        return False
    try:
        _fix_checkpoint(claim)
        with tempfile.TemporaryDirectory(prefix="lexcustis-dossier-") as folder:
            bundle = build(
                claim.dossier, Path(folder), renderer or WeasyPrintRenderer(), _reporter(claim)
            )
            _publish(claim, bundle)
    except LeaseLost:
        logger.warning("dossier.lease_lost", dossier=str(dossier_id), fence=claim.fence)
        return False
    except (RendererUnavailable, SealUnavailable) as error:
        _give_up(claim, str(error))
        return False
    except TreeIncomplete as error:
        _give_up(
            claim,
            f"{error} Rows of audit_position or audit_tile are missing, and without them nothing "
            "can be proved: restore these tables from a backup, and verify the log.",
        )
        return False
    except Exception as error:
        logger.exception("dossier.attempt_failed", dossier=str(dossier_id), exc_info=error)
        _try_again_later(claim, error)
        return False
    return True


def claim_dossier(dossier_id: UUID) -> Claim | None:
    """Take the dossier where it waits, or where its worker's lease is over."""
    now = timezone.now()
    free = Q(state=Dossier.State.WAITING, lease_expires_at=None) | Q(
        state__in=[Dossier.State.WAITING, Dossier.State.RUNNING], lease_expires_at__lte=now
    )
    with transaction.atomic():
        dossier = (
            Dossier.unscoped.select_for_update(skip_locked=True)  # the task knows only the id
            .filter(free, pk=dossier_id)
            .first()
        )
        if dossier is None:
            return None
        dossier.attempts += 1
        dossier.fence += 1
        if dossier.attempts > MOST_ATTEMPTS:
            _fail(dossier, f"Given up after {MOST_ATTEMPTS} attempts. {dossier.message}".strip())
            return None
        dossier.state = Dossier.State.RUNNING
        dossier.stage, dossier.percent = "collecting", 0
        dossier.lease_expires_at = now + LEASE
        dossier.started_at = now
        dossier.as_of = dossier.as_of or now
        dossier.save()
    return Claim(dossier, dossier.fence)


Reporter = Callable[[str, int], None]


def _reporter(claim: Claim) -> Reporter:
    """Say where the work stands; the lease is renewed by the same write."""

    def report(stage: str, percent: int) -> None:
        changed = _ours(claim).update(
            stage=stage, percent=percent, lease_expires_at=timezone.now() + LEASE
        )
        if not changed:
            raise LeaseLost

    return report


def _fix_checkpoint(claim: Claim) -> None:
    """Choose the tree that this dossier speaks of; only the first attempt does."""
    dossier = claim.dossier
    if dossier.checkpoint_size is None:
        dossier.checkpoint_size = choose_checkpoint(dossier.organisation_id)
        if not _ours(claim).update(checkpoint_size=dossier.checkpoint_size):
            raise LeaseLost


def _ours(claim: Claim) -> models.QuerySet[Dossier]:
    return Dossier.unscoped.filter(
        pk=claim.dossier.pk, fence=claim.fence, state=Dossier.State.RUNNING
    )


def _publish(claim: Claim, bundle: Bundle) -> None:
    """Store the file under a name of this attempt, then file, state and record at once."""
    folder = f"dossiers/{claim.dossier.organisation_id}/{claim.dossier.pk}"
    with bundle.path.open("rb") as file:
        name = default_storage.save(f"{folder}/{claim.fence}/{bundle.path.name}", _Finished(file))
    try:
        with transaction.atomic():
            _publish_row(claim, bundle, name)
    except BaseException:
        default_storage.delete(name)
        raise
    for fence in range(1, claim.fence):
        _remove_leftovers(f"{folder}/{fence}")


class _Finished(File):  # type: ignore[type-arg]  # Django's own class takes no arguments
    """A file that a storage on the same file system takes over instead of copying it."""

    def temporary_file_path(self) -> str:
        """Where the file is; it may be gone from there afterwards."""
        return str(self.name)


def _publish_row(claim: Claim, bundle: Bundle, name: str) -> None:
    dossier = _ours(claim).select_for_update().first()
    if dossier is None:
        raise LeaseLost
    receipt = append(
        Draft(
            organisation_id=dossier.organisation_id,
            kind=RecordKind.DOSSIER_PUBLISHED,
            actor=SYSTEM,
            body={
                **describe(dossier),
                "lexcustis.dossier.manifest_sha256": bundle.manifest_sha256,
                "lexcustis.dossier.file_sha256": bundle.sha256,
                "lexcustis.dossier.file_bytes": bundle.size,
            },
        )
    )
    dossier.file = name
    dossier.file_bytes, dossier.file_sha256 = bundle.size, bundle.sha256
    dossier.manifest_sha256 = bundle.manifest_sha256
    dossier.record_id = receipt.record_id
    dossier.state, dossier.stage, dossier.percent = Dossier.State.PUBLISHED, "", 100
    dossier.message, dossier.lease_expires_at = "", None
    dossier.published_at = timezone.now()
    dossier.save()
    transaction.on_commit(lambda: notices.tell_published(dossier), robust=True)


def clear_leftovers(look_back: timedelta = _LOOK_BACK) -> int:
    """Delete files that no row names, of dossiers that nobody works on; returns how many.

    Of those published, it looks at what is no older than *look_back*: it runs every hour.

    Publishing removes what earlier attempts left. This is for what a worker left that was killed
    after that, or that came back from the dead and was killed once more.
    """
    ended = Q(state=Dossier.State.PUBLISHED, published_at__gte=timezone.now() - look_back)
    ended |= Q(state__in=[Dossier.State.FAILED, Dossier.State.CANCELLED])
    removed = 0
    for dossier in Dossier.unscoped.filter(ended, fence__gt=0):  # of every organisation
        folder = f"dossiers/{dossier.organisation_id}/{dossier.pk}"
        for fence in range(1, dossier.fence + 1):
            removed += _remove_leftovers(f"{folder}/{fence}", but=dossier.file.name or "")
    return removed


def _remove_leftovers(folder: str, but: str = "") -> int:
    """Delete what an attempt that was killed had stored: no row names it."""
    try:
        _, names = default_storage.listdir(folder)
    except (FileNotFoundError, NotImplementedError):
        return 0
    left = [name for name in (f"{folder}/{name}" for name in names) if name != but]
    for name in left:
        default_storage.delete(name)
    return len(left)


def _try_again_later(claim: Claim, error: Exception) -> None:
    dossier = claim.dossier
    if dossier.attempts >= MOST_ATTEMPTS:
        _give_up(claim, f"{type(error).__name__}: {error}")
        return
    _ours(claim).update(
        state=Dossier.State.WAITING,
        stage="",
        percent=0,
        message=f"Attempt {dossier.attempts} failed ({type(error).__name__}); trying again.",
        lease_expires_at=timezone.now() + _PAUSE * dossier.attempts,
    )


def _give_up(claim: Claim, message: str) -> None:
    with transaction.atomic():
        dossier = _ours(claim).select_for_update().first()
        if dossier is not None:
            _fail(dossier, message)


def _fail(dossier: Dossier, message: str) -> None:
    dossier.state, dossier.stage, dossier.percent = Dossier.State.FAILED, "", 0
    dossier.message, dossier.lease_expires_at = message, None
    dossier.save()
    append(
        Draft(
            organisation_id=dossier.organisation_id,
            kind=RecordKind.DOSSIER_FAILED,
            actor=SYSTEM,
            body=describe(dossier),
        )
    )
    transaction.on_commit(lambda: notices.tell_failed(dossier), robust=True)
