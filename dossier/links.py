"""Auditor links: made and revoked by an officer, used without an account, each use on record."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind as RecordKind
from audit.ledger import Draft, append
from dossier.link_models import LONGEST, USUAL, AuditorLink
from dossier.models import Dossier
from dossier.scheduling import describe
from orgs.addresses import absolute
from orgs.roles import Permission
from orgs.tenancy import Tenant, TenantQuerySet

MOST_USES = 60
WINDOW = timedelta(minutes=10)


class TooManyUses(Exception):
    """The link was used too often in a short time. ``retry_after`` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"Too many requests; try again in {retry_after} seconds.")


def create_link(
    tenant: Tenant,
    *,
    name: str,
    dossier: Dossier | None = None,
    period_start: date | None = None,
    period_end: date | None = None,
    expires_at: datetime | None = None,
) -> tuple[AuditorLink, str]:
    """Make a link and return it with its whole address, which is shown only now.

    It leads to *dossier*, or to every published one within the period. Without *expires_at* it
    lasts fourteen days. Raises ``ValidationError``.
    """
    tenant.require(Permission.DOSSIER_REQUEST)
    if dossier is not None and dossier.organisation_id != tenant.organisation_id:
        raise ValidationError({"dossier": _("There is no such dossier.")})
    now = timezone.now()
    expires_at = expires_at or now + USUAL
    if expires_at <= now:
        raise ValidationError({"expires_at": _("This moment is over.")})
    if expires_at > now + LONGEST + timedelta(days=1):
        raise ValidationError(
            {"expires_at": _("A link is valid for at most %(days)s days.") % {"days": LONGEST.days}}
        )
    secret = secrets.token_urlsafe(32)
    link = AuditorLink(
        organisation=tenant.organisation,
        name=name,
        dossier=dossier,
        period_start=period_start,
        period_end=period_end,
        digest=_digest(secret),
        expires_at=expires_at,
        created_by=tenant.user,
    )
    with transaction.atomic():
        link.full_clean()
        link.save(force_insert=True)
        _record(link, RecordKind.LINK_CREATED, tenant.actor, _described(link))
    return link, absolute(reverse("dossier_shared", args=[secret]))


def revoke_link(tenant: Tenant, link: AuditorLink) -> None:
    """End a link at once."""
    tenant.require(Permission.DOSSIER_REQUEST)
    with transaction.atomic():
        rows = AuditorLink.objects.for_tenant(tenant).filter(pk=link.pk, revoked_at=None)
        if rows.update(revoked_at=timezone.now()):
            _record(link, RecordKind.LINK_REVOKED, tenant.actor, {})


def find_link(tenant: Tenant, link_id: UUID) -> AuditorLink:
    """The tenant's link, or ``Http404``."""
    tenant.require(Permission.DOSSIER_READ)
    link: AuditorLink | None = AuditorLink.objects.for_tenant(tenant).filter(pk=link_id).first()
    if link is None:
        raise Http404("There is no such link.")
    return link


def links_of(tenant: Tenant) -> TenantQuerySet[AuditorLink]:
    """The tenant's links, newest first."""
    tenant.require(Permission.DOSSIER_READ)
    return AuditorLink.objects.for_tenant(tenant).order_by("-created_at")


# -- Use, without an account -----------------------------------------------------------------------


def use_link(secret: str) -> AuditorLink:
    """The link behind *secret*, counted as used once.

    Raises ``Http404`` for one that is wrong, over or revoked: which of them, is nobody's business.
    Raises :class:`TooManyUses` where its rate is over the limit.
    """
    now = timezone.now()
    with transaction.atomic():
        link: AuditorLink | None = (
            AuditorLink.unscoped.select_for_update(of=("self",))  # the secret names it
            .select_related("organisation", "dossier")
            .filter(digest=_digest(secret))
            .first()
        )
        if link is None or not link.is_usable:
            raise Http404("The link leads nowhere, or no longer.")
        if now - link.window_started_at >= WINDOW:
            link.window_started_at, link.window_uses = now, 0
        if link.window_uses >= MOST_USES:
            left = link.window_started_at + WINDOW - now
            raise TooManyUses(max(1, math.ceil(left.total_seconds())))
        link.window_uses += 1
        link.last_used_at = now
        link.save(update_fields=["window_started_at", "window_uses", "last_used_at"])
    return link


def shared_dossiers(link: AuditorLink) -> list[Dossier]:
    """The published dossiers that the link leads to, newest period first."""
    rows = Dossier.objects.for_organisation(link.organisation_id).filter(
        state=Dossier.State.PUBLISHED
    )
    if link.scope is None:
        rows = rows.filter(pk=link.dossier_id)
    else:
        first, last = link.scope
        rows = rows.filter(period_start__gte=first, period_end__lte=last)
    return list(rows.order_by("-period_end", "kind"))


def shared_dossier(link: AuditorLink, dossier_id: UUID) -> Dossier:
    """The dossier, if the link leads to it, else ``Http404``."""
    for dossier in shared_dossiers(link):
        if dossier.pk == dossier_id:
            return dossier
    raise Http404("The link leads nowhere, or no longer.")


def actor_of(link: AuditorLink) -> dict[str, str]:
    """Who acts when a link is used, as the log writes it."""
    return {"id": str(link.pk), "type": "auditor_link"}


def count_download(link: AuditorLink) -> None:
    """One more download."""
    AuditorLink.unscoped.filter(pk=link.pk).update(downloads=F("downloads") + 1)


def _described(link: AuditorLink) -> dict[str, Any]:
    body: dict[str, Any] = {
        "lexcustis.link.expires_at": link.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    }
    if link.dossier is not None:
        return body | describe(link.dossier)
    assert link.scope is not None
    first, last = link.scope
    return body | {
        "lexcustis.dossier.period_start": first.isoformat(),
        "lexcustis.dossier.period_end": last.isoformat(),
    }


def _record(
    link: AuditorLink, kind: RecordKind, actor: Mapping[str, str], more: Mapping[str, Any]
) -> None:
    append(
        Draft(
            organisation_id=link.organisation_id,
            kind=kind,
            actor=actor,
            body={"lexcustis.link.id": str(link.pk), **more},
        )
    )


def _digest(secret: str) -> bytes:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()
