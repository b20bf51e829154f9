"""What can be declared, what has been, and about which providers and models in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from dossier.catalogue import CATALOGUE, About, Item
from dossier.declarations import Declarations, declarations_at
from dossier.models import Declaration
from llm.models import Inference, ProviderSettings
from orgs.models import AISystem
from orgs.systems import systems_of
from orgs.tenancy import Tenant

HEADINGS = {
    "role": "Role under the AI Act",
    "system": "The system",
    "risk": "Risk classification",
    "data": "Data",
    "log": "The log",
    "oversight": "Human oversight",
    "transparency": "Transparency",
    "complaints": "Explanation and complaints",
    "accuracy": "Accuracy and security",
    "assessment": "Impact assessments",
    "monitoring": "Monitoring and quality",
    "registration": "Registration",
    "annex_iv": "File that follows Annex IV",
    "incidents": "Incidents",
    "literacy": "AI literacy",
    "modification": "Changes to models",
    "upstream": "Model makers",
    "flow": "Data flow",
    "annex_xii": "Annex XII",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A statement and the declaration that counts, if there is one."""

    item: Item
    subject: str
    declaration: Declaration | None
    is_expired: bool


@dataclass(frozen=True, slots=True)
class Chapter:
    """Statements of one subject area, about one thing."""

    title: str
    subject: str
    lines: tuple[Line, ...]

    @property
    def missing(self) -> int:
        """How many have no answer that counts."""
        return sum(line.declaration is None or line.is_expired for line in self.lines)


def overview(tenant: Tenant) -> list[Chapter]:
    """Every statement: about each AI system, the organisation, each provider, each model in use."""
    now = timezone.now()
    made = declarations_at(tenant.organisation_id, now)
    chapters: list[Chapter] = []
    for system in systems_of(tenant):
        chapters += _chapters(About.SYSTEM, str(system.pk), made, now, name=system.name)
    chapters += _chapters(About.ORGANISATION, "", made, now)
    for provider in _providers(tenant):
        chapters += _chapters(About.PROVIDER, provider, made, now)
    for model in _models(tenant):
        chapters += _chapters(About.MODEL, model, made, now)
    return chapters


def chapters_about_system(tenant: Tenant, system: AISystem) -> list[Chapter]:
    """The statements about one AI system."""
    now = timezone.now()
    made = declarations_at(tenant.organisation_id, now)
    return _chapters(About.SYSTEM, str(system.pk), made, now)


def _providers(tenant: Tenant) -> list[str]:
    """As they stand in the log; configured ones too, so that they can be declared beforehand."""
    called = Inference.objects.for_tenant(tenant).order_by().values_list("provider_name")
    configured = ProviderSettings.objects.for_tenant(tenant).order_by().values_list("vendor")
    return sorted({name for (name,) in [*called.distinct(), *configured.distinct()] if name})


def _models(tenant: Tenant) -> list[str]:
    """As they stand in the log; a call that was refused before a model was chosen names none."""
    rows = Inference.objects.for_tenant(tenant).order_by().values_list("requested_model")
    return sorted({name for (name,) in rows.exclude(requested_model="").distinct()})


def _chapters(
    about: About, subject: str, made: Declarations, now: datetime, *, name: str = ""
) -> list[Chapter]:
    groups: dict[str, list[Line]] = {}
    for item in CATALOGUE.values():
        if item.about is not about:
            continue
        row = made.find(item.key, subject)
        line = Line(item, subject, row, bool(row and row.expires_at <= now))
        groups.setdefault(item.key.partition(".")[0], []).append(line)
    return [
        Chapter(HEADINGS[area], name if about is About.SYSTEM else subject, tuple(lines))
        for area, lines in groups.items()
    ]
