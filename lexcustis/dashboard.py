"""What the start page says when somebody asks whether all is right.

Collected in a fixed, small number of queries, whatever the size of the organisation. Each part is
collected only for those who may see it; what the instance does not have is not shown at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from audit.models import SealState
from audit.state import STOPPED_AFTER, LedgerState, ledger_state
from dossier.models import Dossier, DossierSchedule
from lexcustis.verdict import Verdict, judge
from llm.models import Conversation, Inference, ProviderSettings
from llm.regions import Region, region_of
from llm.routing import choices
from orgs.models import Membership, Organisation
from orgs.roles import Permission, Role
from orgs.tenancy import Tenant
from oversight.state import OversightState, oversight_state

DAYS = 30
_State = Inference.State


@dataclass(frozen=True, slots=True)
class Day:
    """The calls of one day, in the organisation's time zone."""

    day: date
    total: int
    not_completed: int


@dataclass(frozen=True, slots=True)
class Upstream:
    """What went to one provider in one region."""

    name: str
    region: Region
    calls: int
    failed: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Use:
    """The last 30 days of use."""

    days: list[Day]
    states: dict[str, int]
    conversations: int
    upstreams: list[Upstream]

    @property
    def calls(self) -> int:
        """All calls, however they ended."""
        return sum(self.states.values())

    @property
    def not_completed(self) -> list[tuple[str, str, int]]:
        """State, its name and how many calls ended so, for all but the good end."""
        others = [state for state in _State if state not in (_State.COMPLETED, _State.STARTED)]
        return [(state.value, str(state.label), self.states.get(state, 0)) for state in others]


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider and how its calls of the last 24 hours went."""

    name: str
    region: Region
    is_enabled: bool
    is_allowed: bool
    calls: int
    failed: int

    @property
    def is_usable(self) -> bool:
        """Enabled, and where the organisation's policy lets text go."""
        return self.is_enabled and self.is_allowed

    @property
    def is_failing(self) -> bool:
        """At least three calls failed within 24 hours, and at least half of all."""
        return self.failed >= 3 and self.failed * 2 >= self.calls


@dataclass(frozen=True, slots=True)
class LogCard:
    """The organisation's log, and whether the process that seals it is alive."""

    state: LedgerState
    sealer_is_running: bool


@dataclass(frozen=True, slots=True)
class Dossiers:
    """The newest dossier, the next one, and what went wrong."""

    latest: Dossier | None
    failed: list[Dossier]
    waiting: int
    next_due: date | None


@dataclass(frozen=True, slots=True)
class Members:
    """How many people, by role."""

    roles: list[tuple[str, int]]

    @property
    def total(self) -> int:
        """Everybody."""
        return sum(count for _role, count in self.roles)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The start page of one person; a part is None where they may not see it."""

    organisation: Organisation
    may_pause: bool
    log: LogCard | None
    use: Use | None
    providers: list[Provider] | None
    dossiers: Dossiers | None
    oversight: OversightState | None
    members: Members | None
    verdict: Verdict


def collect(tenant: Tenant) -> Dashboard:
    """Everything that the tenant may know of the state of its organisation."""
    log = _log(tenant) if tenant.may(Permission.AUDIT_READ) else None
    use = _use(tenant) if tenant.may(Permission.AUDIT_READ) else None
    providers = _providers(tenant) if tenant.may(Permission.PROVIDER_READ) else None
    dossiers = _dossiers(tenant) if tenant.may(Permission.DOSSIER_READ) else None
    members = _members(tenant) if tenant.may(Permission.MEMBER_READ) else None
    oversight = oversight_state(tenant)
    return Dashboard(
        organisation=tenant.organisation,
        may_pause=tenant.may(Permission.ORGANISATION_MANAGE),
        log=log,
        use=use,
        providers=providers,
        dossiers=dossiers,
        oversight=oversight,
        members=members,
        verdict=judge(tenant.organisation, log, providers, dossiers, oversight),
    )


def _log(tenant: Tenant) -> LogCard:
    sealer = SealState.objects.order_by("looked_at").first()
    is_running = sealer is not None and timezone.now() - sealer.looked_at < STOPPED_AFTER
    return LogCard(ledger_state(tenant.organisation_id), is_running)


def _use(tenant: Tenant) -> Use:
    today = timezone.localdate()
    first = today - timedelta(days=DAYS - 1)
    since = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    since -= timedelta(days=DAYS - 1)
    recent = Inference.objects.for_tenant(tenant).filter(started_at__gte=since).order_by()
    totals: Counter[date] = Counter()
    not_completed: Counter[date] = Counter()
    states: Counter[str] = Counter()
    rows = recent.annotate(day=TruncDate("started_at")).values_list("day", "state")
    for day, state, count in rows.annotate(count=Count("pk")):
        totals[day] += count
        states[state] += count
        if state not in (_State.COMPLETED, _State.STARTED):
            not_completed[day] += count
    days = [first + timedelta(days=number) for number in range(DAYS)]
    conversations = Conversation.objects.for_tenant(tenant).filter(updated_at__gte=since)
    return Use(
        days=[Day(day, totals[day], not_completed[day]) for day in days],
        states=dict(states),
        conversations=conversations.count(),
        upstreams=_upstreams(recent),
    )


def _upstreams(recent: Any) -> list[Upstream]:
    sent = recent.exclude(state=_State.BLOCKED)
    rows = sent.values_list("provider_name", "data_region").annotate(
        calls=Count("pk"),
        failed=Count("pk", filter=Q(state=_State.FAILED)),
        input=Sum("input_tokens"),
        output=Sum("output_tokens"),
    )
    return [
        Upstream(name, region_of(region), calls, failed, (read or 0) + (written or 0))
        for name, region, calls, failed, read, written in rows.order_by("-calls")[:8]
    ]


def _providers(tenant: Tenant) -> list[Provider]:
    day_ago = timezone.now() - timedelta(hours=24)
    lately = Inference.objects.for_tenant(tenant).filter(started_at__gte=day_ago).order_by()
    counts = {
        settings_id: (calls, failed)
        for settings_id, calls, failed in lately.values_list("provider_settings").annotate(
            calls=Count("pk"), failed=Count("pk", filter=Q(state=_State.FAILED))
        )
    }
    providers = [
        Provider(
            choice.name,
            region_of(choice.region),
            True,
            choice.allowed,
            *counts.get(choice.id, (0, 0)),
        )
        for choice in choices(tenant)
    ]
    off = ProviderSettings.objects.for_tenant(tenant).filter(is_enabled=False)
    return providers + [
        Provider(row.name, region_of(row.data_region), False, False, *counts.get(row.pk, (0, 0)))
        for row in off
    ]


def _dossiers(tenant: Tenant) -> Dossiers:
    rows = Dossier.objects.for_tenant(tenant)
    published = rows.filter(state=Dossier.State.PUBLISHED)
    schedules = DossierSchedule.objects.for_tenant(tenant).filter(is_enabled=True)
    first_of_month = timezone.localdate().replace(day=1)
    next_due = (first_of_month + timedelta(days=32)).replace(day=1)
    return Dossiers(
        latest=published.order_by("-published_at").first(),
        failed=list(rows.filter(state=Dossier.State.FAILED)[:5]),
        waiting=rows.filter(state__in=[Dossier.State.WAITING, Dossier.State.RUNNING]).count(),
        next_due=next_due if schedules.exists() else None,
    )


def _members(tenant: Tenant) -> Members:
    rows = Membership.objects.for_tenant(tenant).order_by().values_list("role")
    counts = dict(rows.annotate(count=Count("pk")))
    return Members([(str(role.label), counts[role]) for role in Role if role in counts])
