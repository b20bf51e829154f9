"""The schedules of the campaign of dossiers: their zones, their calls, and what is due by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from benchmarks.dossier_trouble import Clock

ZONES = ("Europe/Berlin", "America/Havana", "Pacific/Kiritimati", "America/New_York")
KINDS = ("art53", "art10", "full")
RHYTHMS = ("month", "quarter", "year")
PER_ORGANISATION = len(KINDS) * len(RHYTHMS)

OPENED = datetime(2020, 10, 24, 20, tzinfo=UTC)
STEPS = tuple(
    datetime.fromisoformat(f"{moment}+00:00")
    for moment in (
        "2020-10-24 22:30", "2020-10-25 00:30", "2020-10-25 01:00", "2020-10-25 01:30",
        "2020-10-31 09:59:59", "2020-10-31 10:00", "2020-10-31 22:59:59", "2020-10-31 23:00",
        "2020-11-01 03:59:59", "2020-11-01 04:00", "2020-11-01 04:59", "2020-11-01 05:00",
        "2020-11-30 22:59", "2020-12-01 00:00", "2020-12-01 05:00", "2020-12-31 10:00",
        "2020-12-31 23:00", "2021-01-01 05:00", "2021-01-02 00:00",
    )
)  # fmt: skip
# A schedule of months exists since one of these days; what was over before is not made.
SINCE = {
    "art53": OPENED,
    "art10": datetime(2020, 11, 10, tzinfo=UTC),
    "full": datetime(2020, 12, 5, tzinfo=UTC),
}
# Either side of each midnight that matters, in UTC: Berlin's, Havana's (twice), the new year.
CALLS = tuple(
    datetime.fromisoformat(f"{moment}+00:00")
    for moment in (
        "2020-10-25 00:30", "2020-10-25 01:30", "2020-10-31 09:59:59", "2020-10-31 10:00",
        "2020-10-31 22:59:59", "2020-10-31 23:00", "2020-11-01 03:59:59", "2020-11-01 04:00",
        "2020-11-01 04:59:59", "2020-11-01 05:00", "2020-12-31 22:59:59", "2020-12-31 23:00",
        "2021-01-01 04:59:59", "2021-01-01 05:00",
    )
)  # fmt: skip


def set_the_scene(schedules: int, clock: Clock) -> None:
    """Organisations, one officer of them all, their calls and their schedules."""
    from django.core.management import call_command

    from dossier.models import DossierSchedule
    from dossier.schedules import create_schedule
    from orgs.models import User
    from orgs.system_models import AISystem
    from tests.dossier.scene import call

    call_command("migrate", verbosity=0)
    clock.set(OPENED)
    clock.rule()
    officer = User.objects.create_user("officer@example.org", None, name="Olivia")
    for first in range(0, schedules, PER_ORGANISATION):
        number = first // PER_ORGANISATION
        tenant = organisation_of(f"campaign-{number}", ZONES[number % len(ZONES)], officer)
        for at in CALLS:
            call(tenant, at)
        for place in range(min(PER_ORGANISATION, schedules - first)):
            kind, rhythm = KINDS[place % 3], RHYTHMS[place // 3]
            row = create_schedule(tenant, kind=kind, rhythm=rhythm)
            since = SINCE[kind] if rhythm == "month" else OPENED
            DossierSchedule.objects.for_tenant(tenant).filter(pk=row.pk).update(created_at=since)
    # Every organisation's first: models read the true clock when a row is made.
    AISystem.unscoped.update(created_at=OPENED)


def organisation_of(slug: str, zone: str, officer: Any) -> Any:
    """A new organisation of *zone*, as *officer* acts in it."""
    from orgs.members import add_member
    from orgs.organisations import create_organisation
    from orgs.roles import Role
    from orgs.tenancy import tenant_of

    organisation = create_organisation(name=slug.title(), slug=slug, time_zone=zone)
    return tenant_of(add_member(organisation, officer, Role.COMPLIANCE_OFFICER))


def expected(place: int) -> list[tuple[date, date]]:
    """The periods that the schedule at *place* of an organisation is due for, from the calendar."""
    kind, rhythm = KINDS[place % 3], RHYTHMS[place // 3]
    if rhythm == "year":
        return [(date(2020, 1, 1), date(2020, 12, 31))]
    if rhythm == "quarter":
        return [(date(2020, 10, 1), date(2020, 12, 31))]
    months = [
        (date(2020, 10, 1), date(2020, 10, 31)),
        (date(2020, 11, 1), date(2020, 11, 30)),
        (date(2020, 12, 1), date(2020, 12, 31)),
    ]
    return [month for month in months if month[1] >= SINCE[kind].date()]


def all_expected(schedules: int) -> set[tuple[str, str, date, date]]:
    """Organisation, kind, first and last day of every dossier that there has to be."""
    return {
        (f"campaign-{number // PER_ORGANISATION}", KINDS[number % PER_ORGANISATION % 3], *days)
        for number in range(schedules)
        for days in expected(number % PER_ORGANISATION)
    }
