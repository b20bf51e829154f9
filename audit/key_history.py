"""Which keys sign is itself recorded, in every log: a key that nobody announced stands out."""

from __future__ import annotations

import json

from django.db import transaction

from audit.kinds import Kind
from audit.ledger import Draft, append
from audit.models import Log, RecordIndex
from audit.notes import split_note
from audit.reading import record_bytes
from audit.signer import signer
from orgs.changes import SYSTEM


def announce_keys() -> int:
    """Record in every log the keys that were added or retired since; return how many records."""
    authority = signer()
    second = set(authority.second_keys())
    keys = set(authority.verification_keys()) | second
    organisations = Log.unscoped.values_list(  # every log is signed by them
        "organisation_id", flat=True
    )
    count = 0
    for organisation_id in set(organisations):
        with transaction.atomic():
            known: dict[str, Kind] = {}
            rows = RecordIndex.objects.for_organisation(organisation_id).filter(
                kind__in=[Kind.LOG_KEY_ADDED, Kind.LOG_KEY_RETIRED]
            )
            for row in rows.order_by("written_at"):
                body = json.loads(record_bytes(organisation_id, row.pk))["body"]
                known[body["lexcustis.key"]] = Kind(row.kind)
            changes = [(Kind.LOG_KEY_ADDED, key) for key in sorted(keys - set(known))]
            active = {key for key, kind in known.items() if kind is Kind.LOG_KEY_ADDED}
            gone = active & _retired(keys - second)
            changes += [(Kind.LOG_KEY_RETIRED, key) for key in sorted(gone)]
            for kind, key in changes:
                append(Draft(organisation_id, kind, SYSTEM, {"lexcustis.key": key}))
            count += len(changes)
    return count


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
