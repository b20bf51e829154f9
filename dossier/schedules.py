"""Setting up, changing and removing schedules of dossiers."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction

from dossier.models import DossierSchedule
from dossier.periods import Rhythm
from orgs.roles import Permission
from orgs.tenancy import Tenant


def create_schedule(
    tenant: Tenant,
    *,
    kind: str,
    rhythm: str = Rhythm.MONTH,
    is_enabled: bool = True,
    catch_up_months: int = 3,
    language: str = "",
    further_languages: Sequence[str] = (),
) -> DossierSchedule:
    """Have a dossier of *kind* made for every full month, quarter or year from now on.

    Without a *language* it is the organisation's at the time of each dossier.
    """
    tenant.require(Permission.DOSSIER_REQUEST)
    schedule = DossierSchedule(
        organisation=tenant.organisation,
        kind=kind,
        rhythm=rhythm,
        is_enabled=is_enabled,
        catch_up_months=catch_up_months,
        language=language,
        further_languages=sorted(set(further_languages) - {language}),
    )
    schedule.full_clean()
    schedule.save(force_insert=True)
    return schedule


def change_schedule(
    tenant: Tenant,
    schedule: DossierSchedule,
    *,
    is_enabled: bool,
    catch_up_months: int,
    language: str = "",
    further_languages: Sequence[str] = (),
) -> None:
    """Switch a schedule on or off, or change its languages or how far back it catches up."""
    tenant.require(Permission.DOSSIER_REQUEST)
    with transaction.atomic():
        row = _own(tenant, schedule)
        row.is_enabled, row.catch_up_months = is_enabled, catch_up_months
        row.language = language
        row.further_languages = sorted(set(further_languages) - {language})
        row.full_clean()
        row.save()


def remove_schedule(tenant: Tenant, schedule: DossierSchedule) -> None:
    """Make no more dossiers of this kind by themselves."""
    tenant.require(Permission.DOSSIER_REQUEST)
    with transaction.atomic():
        _own(tenant, schedule).delete()


def _own(tenant: Tenant, schedule: DossierSchedule) -> DossierSchedule:
    rows = DossierSchedule.objects.for_tenant(tenant).select_for_update()
    row: DossierSchedule | None = rows.filter(pk=schedule.pk).first()
    if row is None:
        raise ValidationError("There is no such schedule.")
    return row
