"""An organisation's log: opened with the organisation, found by its id."""

from __future__ import annotations

import secrets
import time
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


_REMEMBERED_SECONDS = 10.0

_names: dict[UUID, tuple[LogName, float]] = {}


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


def log_of_epoch(organisation_id: UUID, epoch: int) -> Log:
    """The organisation's log of one epoch. Raises :class:`NoLog`."""
    log: Log | None = Log.objects.for_organisation(organisation_id).filter(epoch=epoch).first()
    if log is None:
        raise NoLog(f"The organisation {organisation_id} has no log of epoch {epoch}.")
    return log


def log_name(organisation_id: UUID) -> LogName:
    """Number and origin of the organisation's current log.

    Remembered by this process for some seconds: a new epoch begins only after a disaster.
    """
    now = time.monotonic()
    remembered = _names.get(organisation_id)
    if remembered is not None and now < remembered[1]:
        return remembered[0]
    log = current_log(organisation_id)
    name = LogName(log.number, log.origin)
    _names[organisation_id] = (name, now + _REMEMBERED_SECONDS)
    return name


def open_next_epoch(log: Log) -> Log:
    """Open the log that follows *log*, inside the transaction that records why."""
    base, _, _epoch = log.origin.rpartition("/")
    epoch = log.epoch + 1
    following: Log = Log.objects.create(
        organisation_id=log.organisation_id, epoch=epoch, origin=f"{base}/{epoch}"
    )
    forget_logs()
    return following


def forget_logs() -> None:
    """Empty this process's memory, after a new epoch has begun."""
    _names.clear()
