"""Verifying a whole log while somebody watches.

The work runs in a thread of the process that was asked. How far it is stands in the cache, so
that any process can show it; what it found is kept by :mod:`audit.verification`. One runs for a
log at a time.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.core.cache import cache
from django.db import connections

from audit.verification import verify_and_keep
from orgs.roles import Permission
from orgs.tenancy import Tenant

logger = structlog.get_logger(__name__)

# One whose process died is forgotten after this time without a sign of life.
_ALIVE_SECONDS = 60
_TOLD_EVERY_SECONDS = 0.25
# Most logs are verified within this time: the page then shows the result at once.
_WAIT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running verification is, in records."""

    checked: int
    total: int

    @property
    def percent(self) -> int:
        """How far, in whole per cent."""
        return 100 * self.checked // self.total if self.total else 0


def start_verification(tenant: Tenant) -> None:
    """Begin a verification unless one runs, and wait a moment for its end. Needs ``audit:read``."""
    tenant.require(Permission.AUDIT_READ)
    if cache.add(_place(tenant.organisation_id), Progress(0, 0), _ALIVE_SECONDS):
        thread = threading.Thread(target=_run, args=[tenant], daemon=True)
        thread.start()
        thread.join(_WAIT_SECONDS)


def running_verification(organisation_id: UUID) -> Progress | None:
    """How far the running verification is, None where none runs."""
    progress: Progress | None = cache.get(_place(organisation_id))
    return progress


def _run(tenant: Tenant) -> None:
    place = _place(tenant.organisation_id)
    told = 0.0

    def tell(checked: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TOLD_EVERY_SECONDS:
            told = time.monotonic()
            cache.set(place, Progress(checked, total), _ALIVE_SECONDS)

    try:
        verify_and_keep(tenant, tell)
    except Exception:  # a thread has nobody above it who would hear of it
        organisation = str(tenant.organisation_id)
        logger.exception("audit.verification_broke_off", organisation_id=organisation)
    finally:
        cache.delete(place)
        connections.close_all()


def _place(organisation_id: UUID) -> str:
    return f"verification:{organisation_id}"
