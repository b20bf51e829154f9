"""Telling the workers that there is work. Only a bell: what is to be done stands in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)

# A person waits: one try, a second at most. The next tick rings again.
_IMPATIENT = {
    "socket_connect_timeout": 1.0,
    "socket_timeout": 1.0,
    "max_retries": 0,
    "connect_retries_timeout": 1.0,
    "retry_on_timeout": False,
}


def ring_after_commit(dossier_id: UUID) -> None:
    """Ask for *dossier_id* to be rendered once the open transaction is committed."""
    transaction.on_commit(lambda: ring(dossier_id))


def ring(dossier_id: UUID) -> bool:
    """Ask for *dossier_id* to be rendered now; False where nobody hears it.

    A broker that is gone is no failure: the next tick finds the row.
    """
    try:
        with current_app.connection_for_write(transport_options=_IMPATIENT) as connection:
            current_app.send_task(
                "dossier.tasks.render",
                args=[str(dossier_id)],
                connection=connection,
                retry=False,
            )
    except (OperationalError, OSError) as error:
        logger.warning("dossier.doorbell_silent", dossier=str(dossier_id), error=str(error))
        return False
    return True
