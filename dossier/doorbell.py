"""Telling the workers that there is work. Only a bell: what is to be done stands in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)


def ring_after_commit(dossier_id: UUID) -> None:
    """Ask for *dossier_id* to be rendered once the open transaction is committed."""
    transaction.on_commit(lambda: ring(dossier_id))


def ring(dossier_id: UUID) -> None:
    """Ask for *dossier_id* to be rendered now.

    A broker that is gone is no failure: the next tick finds the row.
    """
    try:
        current_app.send_task("dossier.tasks.render", args=[str(dossier_id)], retry=False)
    except OperationalError as error:
        logger.warning("dossier.doorbell_silent", dossier=str(dossier_id), error=str(error))
