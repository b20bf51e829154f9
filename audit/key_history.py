"""Which keys sign is itself recorded, in every log: a key that nobody announced stands out.

The clock looks at the signer. When it has another key than the logs say, each log gets a record of
it, and each organisation's officers and auditors a mail, so that they can compare it with what
they hear from the operator by another way.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

import structlog
from django.core.mail import EmailMessage, get_connection
from django.db import connection, transaction
from django.template.loader import render_to_string

from audit.head_mail import officer_addresses
from audit.kinds import Kind
from audit.ledger import Draft, append
from audit.logs import current_log
from audit.models import Log, RecordIndex
from audit.notes import split_note
from audit.reading import read_record
from audit.signer import signer
from orgs.changes import SYSTEM
from orgs.models import Organisation

logger = structlog.get_logger(__name__)

_LOCK = 0x4C5B

Changes = list[tuple[Kind, str]]


def announce_keys() -> int:
    """Record in every log the keys that were added or retired since; return how many records.

    Where a log knew other keys before, the organisation's officers are mailed. Raises
    :class:`audit.signer.SignerUnavailable`.
    """
    authority = signer()
    second = set(authority.second_keys())
    keys = set(authority.verification_keys()) | second
    retired = _retired(keys - second)
    organisations = Log.unscoped.values_list(  # every log is signed by them
        "organisation_id", flat=True
    )
    return sum(_announce(it, keys, retired) for it in set(organisations))


def _announce(organisation_id: UUID, keys: set[str], retired: set[str]) -> int:
    with transaction.atomic():
        with connection.cursor() as cursor:  # two workers must not both announce
            number = current_log(organisation_id).number
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, number])
        known = _known(organisation_id)
        changes: Changes = [(Kind.LOG_KEY_ADDED, key) for key in sorted(keys - set(known))]
        active = {key for key, kind in known.items() if kind is Kind.LOG_KEY_ADDED}
        changes += [(Kind.LOG_KEY_RETIRED, key) for key in sorted(active & retired)]
        for kind, key in changes:
            append(Draft(organisation_id, kind, SYSTEM, {"lexcustis.key": key}))
        if known and changes:
            transaction.on_commit(partial(_mail, organisation_id, changes))
    return len(changes)


def _known(organisation_id: UUID) -> dict[str, Kind]:
    """The keys that the organisation's logs name, each with the last thing said of it."""
    known: dict[str, Kind] = {}
    rows = RecordIndex.objects.for_organisation(organisation_id).filter(
        kind__in=[Kind.LOG_KEY_ADDED, Kind.LOG_KEY_RETIRED]
    )
    for row in rows.order_by("written_at"):
        said = read_record(organisation_id, row.pk)
        key = said["body"].get("lexcustis.key") if said else None
        if isinstance(key, str):
            known[key] = Kind(row.kind)
    return known


def _mail(organisation_id: UUID, changes: Changes) -> None:
    """Tell the officers and auditors; the record is there whether or not the mail arrives."""
    organisation = Organisation.objects.get(pk=organisation_id)
    context = {
        "organisation": organisation,
        "added": [key for kind, key in changes if kind is Kind.LOG_KEY_ADDED],
        "retired": [key for kind, key in changes if kind is Kind.LOG_KEY_RETIRED],
    }
    subject = f"Audit log of {' '.join(organisation.name.split())}: its verification key changes"
    body = render_to_string("audit/mail/key.txt", context)
    addresses = officer_addresses(organisation_id)
    try:
        get_connection().send_messages(
            [EmailMessage(subject, body, None, [address]) for address in addresses]
        )
    except OSError as error:  # smtplib's own errors are OSErrors too
        logger.warning("key_mail.failed", organisation=str(organisation_id), error=str(error))


def _retired(keys: set[str]) -> set[str]:
    """Those of the keys that sign nothing any more."""
    text = signer().sign_manifest(bytes(32))
    return {key for key in keys if not _has_signed(key, text)}


def _has_signed(key: str, note: str) -> bool:
    name, identifier, _ = key.split("+", 2)
    return any(
        signed_by == name and data[:4].hex() == identifier
        for signed_by, data in split_note(note)[1]
    )
