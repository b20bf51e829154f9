"""An organisation's log: opened with the organisation, found by its id."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from audit.models import Log


class NoLog(LookupError):
    """The organisation has no log: it was not made with ``create_organisation()``."""


@dataclass(frozen=True, slots=True)
class LogName:
    """What every record of a log needs to know of it; it never changes."""

    number: int
    origin: str


_names: dict[UUID, LogName] = {}


def open_log(organisation_id: UUID) -> Log:
    """Open the organisation's first log, inside the transaction that makes the organisation."""
    origin = f"{settings.LEDGER_HOST}/o/{secrets.token_hex(16)}/1"
    log: Log = Log.objects.create(organisation_id=organisation_id, epoch=1, origin=origin)
    return log


def current_log(organisation_id: UUID) -> Log:
    """The organisation's log of the newest epoch, fresh from the database."""
    log: Log | None = Log.objects.for_organisation(organisation_id).order_by("-epoch").first()
    if log is None:
        raise NoLog(f"The organisation {organisation_id} has no log.")
    return log


def log_name(organisation_id: UUID) -> LogName:
    """Number and origin of the organisation's current log, remembered by this process."""
    name = _names.get(organisation_id)
    if name is None:
        log = current_log(organisation_id)
        name = _names[organisation_id] = LogName(log.number, log.origin)
    return name


def forget_logs() -> None:
    """Empty this process's memory, after a new epoch has begun."""
    _names.clear()
