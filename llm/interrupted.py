"""The sweep: inferences whose process has died end as ``inference.interrupted`` (promise P3)."""

from __future__ import annotations

import structlog
from django.db import transaction
from django.utils import timezone

from llm import records, rows
from llm.calls import Outcome, State
from llm.models import Inference

logger = structlog.get_logger(__name__)


def close_expired() -> int:
    """Record the ending of each inference whose lease ran out; return how many there were.

    One transaction each; several sweeps may run at once, and with a process that is only slow:
    whoever turns the state away from ``started`` first has recorded the one ending.
    """
    closed = 0
    while _close_one():
        closed += 1
    return closed


def _close_one() -> bool:
    with transaction.atomic():
        inference = (
            Inference.unscoped.select_for_update(  # the sweep serves all organisations
                skip_locked=True, of=("self",)
            )
            .filter(state=State.STARTED, lease_expires_at__lt=timezone.now())
            .order_by("lease_expires_at")
            .first()
        )
        if inference is None:
            return False
        receipt = records.interrupted(inference)
        rows.end(inference.pk, Outcome(State.INTERRUPTED, error_code="process_lost"), receipt)
    logger.warning("inference.interrupted", inference_id=str(inference.pk))
    return True
