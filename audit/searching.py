"""Searching records by what the index knows of them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from ninja import Field, Schema
from pydantic import AwareDatetime

from audit.kinds import Kind
from audit.models import RecordIndex
from audit.reading import records
from orgs.tenancy import Tenant


class Search(Schema):
    """Which records, and from where on."""

    kind: Kind | None = None
    actor_id: Annotated[str, Field(max_length=64, pattern=r"^[!-~]*$")] | None = None
    request_id: UUID | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    before: UUID | None = Field(None, description="The “next” of the page before.")
    limit: int = Field(50, ge=1, le=200)


def search(tenant: Tenant, wanted: Search) -> tuple[list[RecordIndex], str | None]:
    """A page of the tenant's records, newest first, and where the next page begins."""
    found = records(tenant)
    exact = {"kind": wanted.kind, "actor_id": wanted.actor_id, "request_id": wanted.request_id}
    found = found.filter(**{name: value for name, value in exact.items() if value is not None})
    if wanted.since is not None:
        found = found.filter(at__gte=wanted.since)
    if wanted.until is not None:
        found = found.filter(at__lt=wanted.until)
    if wanted.before is not None:
        last = records(tenant).filter(pk=wanted.before).first()
        if last is None:
            return [], None
        found = found.filter(at__lte=last.at).exclude(at=last.at, pk__gte=last.pk)
    page = list(found[: wanted.limit + 1])
    more = len(page) > wanted.limit
    page = page[: wanted.limit]
    return page, str(page[-1].pk) if more else None
