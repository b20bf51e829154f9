"""The demo's *tamper* button: what an auditor sees when somebody has changed one byte.

The change is made on an exported copy in a temporary folder (:mod:`audit.tampering`). The log's
own tables are never touched, and outside the demo the button does not exist.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied

from audit.canonical import decode
from audit.logs import current_log
from audit.models import Log
from audit.slices import records_between
from audit.tampering import Tampering, tamper_with_copy
from orgs.roles import Permission
from orgs.tenancy import Tenant

NEIGHBOURS = 5
_CHOSEN_FROM = 200
_ACCUSED = re.compile(r"position (\d+)")


@dataclass(frozen=True, slots=True)
class Line:
    """One record of the copy, and whether the verifier says that it is the wrong one."""

    position: int
    kind: str
    record_id: str
    is_accused: bool


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A tampering, and the record with its neighbours as the verifier's verdict leaves them."""

    tampering: Tampering
    lines: list[Line]

    @property
    def changed(self) -> tuple[str, str, str]:
        """The changed text: what is before the byte, the byte, what is after it."""
        before, after = self.tampering.before, self.tampering.after
        place = next((i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b), 0)
        return after[:place], after[place : place + 1], after[place + 1 :]


def demonstrate_tampering(tenant: Tenant, record_id: UUID | None = None) -> Demonstration:
    """Change one byte of a record on a copy, and let the verifier look. Needs ``audit:read``.

    Without *record_id* one of the newest signed records is taken at random. Raises
    :class:`django.core.exceptions.PermissionDenied` outside the demo,
    :class:`audit.tampering.NotSealed` and LookupError.
    """
    if not settings.DEMO:
        raise PermissionDenied("Tampering is shown in the demo alone.")
    tenant.require(Permission.AUDIT_READ)
    tampering = tamper_with_copy(tenant, record_id or _any_signed(tenant))
    found = _ACCUSED.search(tampering.forged.problem)
    return Demonstration(tampering, _lines(tenant, tampering, int(found[1]) if found else None))


def _any_signed(tenant: Tenant) -> UUID:
    log = current_log(tenant.organisation_id)
    rows = _records(log, max(0, log.signed_size - _CHOSEN_FROM), log.signed_size)
    if not rows:
        raise LookupError("The log has no signed record yet.")
    return UUID(secrets.choice(rows)["id"])


def _lines(tenant: Tenant, tampering: Tampering, accused: int | None) -> list[Line]:
    """The record and its neighbours in the tree; red is the place that the verifier named."""
    log = current_log(tenant.organisation_id)
    first = max(0, tampering.position - NEIGHBOURS)
    end = min(log.signed_size, tampering.position + NEIGHBOURS + 1)
    return [
        Line(position, record["kind"], record["id"], is_accused=position == accused)
        for position, record in enumerate(_records(log, first, end), first)
    ]


def _records(log: Log, first: int, end: int) -> list[dict[str, Any]]:
    """The records at positions *first* to *end* - 1."""
    return [decode(data) for data, _leaf in records_between(log.number, first, end)]
