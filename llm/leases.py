"""Leases: a process that runs inferences says so every few seconds, and its silence ends them.

A running inference carries a time until which its process vouches for it. One thread per process
renews all of them at once. Where a process has died, :mod:`llm.interrupted` records the ending
that it could not.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone

from llm.models import Inference

logger = structlog.get_logger(__name__)

# Of this process; a set is added to and copied in one step each, so no lock is needed.
_held: set[UUID] = set()
_keeper: threading.Thread | None = None


def expiry(now: datetime | None = None) -> datetime:
    """Until when a lease given now holds."""
    return (now or timezone.now()) + timedelta(seconds=settings.INFERENCE_LEASE_SECONDS)


@contextlib.contextmanager
def held(inference_id: UUID) -> Iterator[None]:
    """Renew the inference's lease for as long as the block runs."""
    _held.add(inference_id)
    _keep_renewing()
    try:
        yield
    finally:
        _held.discard(inference_id)


def renew(inference_ids: set[UUID]) -> None:
    """Renew the leases of those that still run."""
    Inference.unscoped.filter(  # this process's own inferences, of whichever organisation
        pk__in=inference_ids, state=Inference.State.STARTED
    ).update(lease_expires_at=expiry())


def _keep_renewing() -> None:
    global _keeper  # noqa: PLW0603 - one keeper per process
    if _keeper is None or not _keeper.is_alive():  # in a child process too; two would do no harm
        _keeper = threading.Thread(target=_keep, name="inference-leases", daemon=True)
        _keeper.start()


def _keep() -> None:
    while True:
        # A lease that was given just now holds for three of these.
        time.sleep(settings.INFERENCE_LEASE_SECONDS / 3)
        running = _held.copy()
        if not running:
            continue
        try:
            renew(running)
        except DatabaseError:
            logger.warning("inference.leases_not_renewed", exc_info=True)
        finally:
            connections.close_all()
