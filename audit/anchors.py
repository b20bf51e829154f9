"""Anchors: statements of outsiders about the heads of logs.

What the instance says about its own logs binds nobody who holds its key and its database. An
anchor does: a time stamp shows that a head existed at a time, a witness that it extends what came
before. For each log every configured outsider is asked once a period, if the head has moved.

:func:`anchoring_state` puts into words what is anchored, and never more than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Max
from django.utils import timezone

from audit.anchor_models import Anchor, AnchorDuty, AnchorKind
from audit.checkpoints import latest_of_log
from audit.logs import current_log
from audit.models import Checkpoint, Log
from audit.notes import InvalidNote, parse_head, split_note
from audit.posting import AnchorFailed
from audit.timestamps import Authority, request_time_stamp
from audit.tree import StoredTree, TreeIncomplete
from audit.witnesses import Witness, request_cosignature

logger = structlog.get_logger(__name__)

NOT_ANCHORED = "not anchored externally"
# Whoever took a duty and did not come back is replaced after so long.
_LEASE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=6)

Outsider = Authority | Witness


@dataclass(frozen=True, slots=True)
class AnchorResult:
    """How asking one outsider about one log ended; ``problem`` is empty where it went well."""

    origin: str
    kind: AnchorKind
    authority: str
    size: int
    at: datetime | None = None
    problem: str = ""


def authorities() -> list[Authority]:
    """The time-stamping authorities of ``ANCHOR_AUTHORITIES``."""
    try:
        return [
            Authority(row["url"], row["ca_file"], row.get("qualified") is True)
            for row in settings.ANCHOR_AUTHORITIES
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ImproperlyConfigured(
            "ANCHOR_AUTHORITIES is a JSON list of objects with 'url', 'ca_file' and, where the "
            "authority is in a trusted list of the Union, 'qualified': true."
        ) from error


def witnesses() -> list[Witness]:
    """The witnesses of ``ANCHOR_WITNESSES``."""
    try:
        found = [Witness(row["url"], row["vkey"]) for row in settings.ANCHOR_WITNESSES]
        for witness in found:
            witness.check_key()
    except (KeyError, TypeError, AttributeError, AnchorFailed) as error:
        raise ImproperlyConfigured(
            f"ANCHOR_WITNESSES is a JSON list of objects with 'url' and 'vkey'. {error}"
        ) from error
    return found


def anchor_due(*, now: datetime | None = None) -> list[AnchorResult]:
    """Anchor the moved heads of all logs with every outsider whose time it is."""
    now = now or timezone.now()
    results: list[AnchorResult] = []
    outsiders = _by_key([*authorities(), *witnesses()])
    if not outsiders:
        return results
    _make_duties(outsiders)
    for duty in AnchorDuty.unscoped.filter(due_at__lte=now):  # everybody's heads are anchored
        outsider = outsiders.get((duty.kind, duty.authority))
        if outsider is not None and _take(duty, now):
            result = _fulfil(duty, outsider, now)
            if result is not None:
                results.append(result)
    return results


def anchor_now(organisation_id: UUID) -> list[AnchorResult]:
    """Anchor one organisation's head with every outsider at once, due or not."""
    outsiders = _by_key([*authorities(), *witnesses()])
    _make_duties(outsiders)
    log, now = current_log(organisation_id), timezone.now()
    duties = AnchorDuty.objects.for_organisation(organisation_id).filter(log_number=log.number)
    asked = [(duty, outsiders.get((duty.kind, duty.authority))) for duty in duties]
    results = [_fulfil(duty, outsider, now) for duty, outsider in asked if outsider is not None]
    return [result for result in results if result is not None]


def anchoring_state(organisation_id: UUID) -> str:
    """What outsiders vouch for, in words for people. It never says more than was verified.

    Anchors of what is no longer part of the current log are not counted.
    """
    log = current_log(organisation_id)
    newest = newest_anchors(organisation_id)
    if not newest:
        return NOT_ANCHORED
    sentences = [_in_words(anchor) for anchor in newest]
    covered = max(anchor.size for anchor in newest)
    if covered < log.size:
        sentences.append(f"{log.size - covered} newer entries are not anchored externally")
    return "; ".join(sentences)


def newest_anchors(organisation_id: UUID) -> list[Anchor]:
    """Each outsider's anchor of the largest head of the current log, time stamps first."""
    log = current_log(organisation_id)
    of_log = Anchor.objects.for_organisation(organisation_id).filter(log_number=log.number)
    newest: dict[tuple[str, str], Anchor] = {}
    largest = of_log.values("kind", "authority").annotate(largest=Max("size"))
    for row in largest.order_by("-kind", "authority"):
        key = (row["kind"], row["authority"])
        newest[key] = of_log.filter(kind=key[0], authority=key[1], size=row["largest"]).latest("id")
    return list(newest.values())


def problems(organisation_id: UUID) -> list[str]:
    """Which outsiders could not be asked the last time, and why: for the instance's operator."""
    return [
        f"{duty.authority}: {duty.problem}"
        for duty in AnchorDuty.objects.for_organisation(organisation_id).exclude(problem="")
    ]


def _in_words(anchor: Anchor) -> str:
    covered = f"the first {anchor.size} entries, {anchor.at:%Y-%m-%d %H:%M} UTC"
    if anchor.kind == AnchorKind.COSIGNATURE:
        return f"cosigned by the witness {anchor.authority}: {covered}"
    rank = "declared qualified by the operator" if anchor.declared_qualified else "non-qualified"
    return f"time-stamped (RFC 3161, {rank}, TSA {anchor.authority}): {covered}"


def _make_duties(outsiders: dict[tuple[str, str], Outsider]) -> None:
    """One duty for each pair of log and outsider, where it does not exist yet."""
    logs = Log.unscoped.filter(signed_size__gt=0)  # everybody's heads are anchored
    known = set(AnchorDuty.unscoped.values_list("log_number", "kind", "authority"))
    AnchorDuty.unscoped.bulk_create(
        [
            AnchorDuty(
                organisation_id=organisation_id, log_number=number, kind=kind, authority=name
            )
            for number, organisation_id in logs.values_list("number", "organisation_id")
            for kind, name in outsiders
            if (number, kind, name) not in known
        ],
        ignore_conflicts=True,
    )


def _take(duty: AnchorDuty, now: datetime) -> bool:
    """Move the duty on, if nobody else did: he who moved it does it."""
    mine = AnchorDuty.unscoped.filter(pk=duty.pk, due_at=duty.due_at)
    return mine.update(due_at=now + _LEASE) == 1


def _fulfil(duty: AnchorDuty, outsider: Outsider, now: datetime) -> AnchorResult | None:
    """Ask the outsider, keep what it answers; None where there is nothing new to ask about."""
    period = timedelta(seconds=settings.ANCHOR_PERIOD_SECONDS)
    checkpoint = latest_of_log(duty.log_number)
    last = _last_size(duty)
    if checkpoint is None or checkpoint.size in {0, last}:
        _settle(duty, due_at=now + period)
        return None
    log = Log.unscoped.get(pk=duty.log_number)  # the duty names it
    place = {
        "origin": log.origin,
        "kind": AnchorKind(duty.kind),
        "authority": duty.authority,
        "size": checkpoint.size,
    }
    try:
        at, token = _ask(outsider, checkpoint, last)
    except (AnchorFailed, TreeIncomplete) as error:
        pause = min(period * 2 ** min(duty.failures, 10) / 8, max(period, _LONGEST_PAUSE))
        _settle(duty, due_at=now + pause, failures=duty.failures + 1, problem=str(error))
        logger.warning("anchor.failed", authority=duty.authority, problem=str(error))
        return AnchorResult(**place, problem=str(error))
    Anchor.objects.create(
        organisation_id=log.organisation_id,
        log_number=log.number,
        checkpoint=checkpoint,
        size=checkpoint.size,
        kind=duty.kind,
        authority=duty.authority,
        declared_qualified=isinstance(outsider, Authority) and outsider.declared_qualified,
        token=token,
        at=at,
    )
    _settle(duty, due_at=now + period)
    return AnchorResult(**place, at=at)


def _ask(outsider: Outsider, checkpoint: Checkpoint, last: int) -> tuple[datetime, bytes]:
    """Time and token that the outsider gives for a checkpoint."""
    try:
        parse_head(split_note(checkpoint.note)[0])
    except InvalidNote as error:  # of this log alone; the others' heads are anchored
        raise AnchorFailed("The head of this log is damaged; its check says more.") from error
    if isinstance(outsider, Authority):
        stamp = request_time_stamp(checkpoint.note.encode(), outsider, not_before=checkpoint.at)
        return stamp.at, stamp.token
    tree = StoredTree(checkpoint.log_number)
    cosignature = request_cosignature(
        checkpoint.note, outsider, old_size=last, consistency_proof=tree.consistency_proof
    )
    return cosignature.at, cosignature.line.encode()


def _settle(duty: AnchorDuty, *, due_at: datetime, failures: int = 0, problem: str = "") -> None:
    AnchorDuty.unscoped.filter(pk=duty.pk).update(due_at=due_at, failures=failures, problem=problem)


def _last_size(duty: AnchorDuty) -> int:
    """The size that this outsider last anchored, 0 if none."""
    found = Anchor.unscoped.filter(  # the duty names the log
        log_number=duty.log_number, kind=duty.kind, authority=duty.authority
    ).aggregate(largest=Max("size"))
    return found["largest"] or 0


def _by_key(outsiders: Iterable[Outsider]) -> dict[tuple[str, str], Outsider]:
    return {
        (
            AnchorKind.TIME_STAMP if isinstance(outsider, Authority) else AnchorKind.COSIGNATURE,
            outsider.name,
        ): outsider
        for outsider in outsiders
    }
