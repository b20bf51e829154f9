"""Recovery: a log whose past was lost is ended, and another begun that says so.

After a restore from a backup the database may hold fewer records than the signer has signed. The
signer rightly refuses to go on. The next epoch is another tree under another name; its first
record names the last head that was signed and the head that is left, so that everybody who
remembers a head can tell what was lost.
"""

from __future__ import annotations

import base64
from uuid import UUID

from django.db import transaction

from audit.kinds import Kind
from audit.ledger import Draft, Receipt, append
from audit.logs import current_log, open_next_epoch
from audit.signer import signer
from orgs.changes import SYSTEM


class NothingLost(Exception):
    """The log holds all that was signed: there is no reason for another epoch."""


def recover(organisation_id: UUID) -> Receipt:
    """Begin the organisation's next epoch. Raises :class:`NothingLost` where none is needed.

    Stop web and workers first: they remember the log they write to for some seconds.
    """
    with transaction.atomic():
        log = current_log(organisation_id)
        signed = signer().heads([log.origin]).get(log.origin)
        if signed is None or signed.size <= log.size:
            raise NothingLost(f"The log {log.origin} holds all {log.size} records.")
        open_next_epoch(log)
        body = {
            "lexcustis.recovered.log": log.origin,
            "lexcustis.recovered.signed_size": signed.size,
            "lexcustis.recovered.signed_root": base64.b64encode(signed.root).decode(),
            "lexcustis.recovered.size": log.size,
            "lexcustis.recovered.root": base64.b64encode(bytes(log.root)).decode(),
        }
        return append(Draft(organisation_id, Kind.LOG_RECOVERED, SYSTEM, body))
