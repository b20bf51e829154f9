"""The one line on the start page: all is well, or what needs attention and where to go for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

if TYPE_CHECKING:
    from lexcustis.dashboard import Dossiers, LogCard, Provider
    from orgs.models import Organisation
    from oversight.models import Incident
    from oversight.state import IncidentsState, OversightState, ReviewsState, TasksState

VERIFICATION_IS_OLD_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that needs attention: ``level`` is ``warn`` or ``bad``."""

    level: str
    text: str
    address: str = ""
    act: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings, worst first."""

    findings: list[Finding]

    @property
    def level(self) -> str:
        """``good``, ``warn`` or ``bad``, after the worst finding."""
        return self.findings[0].level if self.findings else "good"

    @property
    def headline(self) -> str:
        """The answer to “are we all right?”, in words."""
        if not self.findings:
            return _("All is well")
        count = len(self.findings)
        if self.level == "bad":
            return ngettext("Something is wrong", "%(count)d things need you", count) % {
                "count": count
            }
        return ngettext("One thing needs attention", "%(count)d things need attention", count) % {
            "count": count
        }


def judge(
    organisation: Organisation,
    log: LogCard | None,
    providers: Sequence[Provider] | None,
    dossiers: Dossiers | None,
    oversight: OversightState | None,
) -> Verdict:
    """Weigh what was collected; what the person may not see does not count."""
    findings = [
        *_of_organisation(organisation),
        *(_of_log(log) if log else []),
        *(_of_providers(providers) if providers is not None else []),
        *(_of_dossiers(dossiers) if dossiers else []),
        *(_of_oversight(oversight) if oversight else []),
    ]
    return Verdict(sorted(findings, key=lambda finding: finding.level != "bad"))


def _of_organisation(organisation: Organisation) -> list[Finding]:
    if not organisation.is_paused:
        return []
    reason = organisation.pause_reason
    return [Finding("warn", _("Paused: no model is used. Reason: %(reason)s") % {"reason": reason})]


def _of_log(log: LogCard) -> list[Finding]:
    page = reverse("admin:audit_log")
    findings = [Finding("bad", problem, page, _("See the log")) for problem in log.state.problems]
    if not log.sealer_is_running:
        text = _("The sealer stands still: new records get no proof until it runs again.")
        findings.append(Finding("bad", text, page, _("See the log")))
    checked = log.state.last_verification
    if checked is None:
        findings.append(Finding("warn", _("The log was never verified."), page, _("Verify now")))
    elif checked.checked_at and timezone.now() - checked.checked_at > VERIFICATION_IS_OLD_AFTER:
        text = _("The log was last verified more than a week ago.")
        findings.append(Finding("warn", text, page, _("Verify now")))
    return findings


def _of_providers(providers: Sequence[Provider]) -> list[Finding]:
    page = reverse("admin:llm_providersettings_changelist")
    findings = [
        Finding(
            "warn",
            _("%(failed)d of %(calls)d calls to %(name)s failed within 24 hours.")
            % {"failed": provider.failed, "calls": provider.calls, "name": provider.name},
            page,
            _("Look at it"),
        )
        for provider in providers
        if provider.is_usable and provider.is_failing
    ]
    if not any(provider.is_usable for provider in providers):
        text = _("No provider can be used: none is enabled in a region that you allow.")
        findings.append(Finding("bad", text, page, _("Set one up")))
    return findings


def _of_dossiers(dossiers: Dossiers) -> list[Finding]:
    if not dossiers.failed:
        return []
    count = len(dossiers.failed)
    text = ngettext("A dossier failed.", "%(count)d dossiers failed.", count) % {"count": count}
    address = reverse("admin:dossier_dossier_changelist") + "?state__exact=failed"
    return [Finding("bad", text, address, _("See why"))]


def _of_oversight(oversight: OversightState) -> list[Finding]:
    findings: list[Finding] = []
    if oversight.incidents is not None:
        findings += _of_incidents(oversight.incidents)
        if oversight.tasks is not None:
            findings += _of_tasks(oversight.tasks, oversight.incidents)
    if oversight.reviews is not None:
        findings += _of_reviews(oversight.reviews)
    return findings


def _of_incidents(incidents: IncidentsState) -> list[Finding]:
    findings = []
    if count := len(incidents.over):
        text = ngettext(
            "The time to report an incident is over.",
            "The time to report %(count)d incidents is over.",
            count,
        ) % {"count": count}
        findings.append(Finding("bad", text, _place(incidents.over), _("Look at it")))
    if count := len(incidents.near):
        text = ngettext(
            "Half of the time to report an incident is over.",
            "Half of the time to report %(count)d incidents is over.",
            count,
        ) % {"count": count}
        findings.append(Finding("warn", text, _place(incidents.near), _("Look at it")))
    return findings


def _place(incidents: Sequence[Incident]) -> str:
    """The page of the only one, else the list of all."""
    if len(incidents) == 1:
        return reverse("admin:oversight_incident_change", args=[incidents[0].pk])
    return reverse("admin:oversight_incident_changelist")


def _of_tasks(tasks: TasksState, incidents: IncidentsState) -> list[Finding]:
    said = {row.pk for row in incidents.over}  # their tasks are late with them
    count = sum(task.incident_id not in said for task in tasks.late)
    if not count:
        return []
    text = ngettext("A task is late.", "%(count)d tasks are late.", count) % {"count": count}
    address = reverse("admin:oversight_task_changelist") + "?state=late"
    return [Finding("warn", text, address, _("See which"))]


def _of_reviews(reviews: ReviewsState) -> list[Finding]:
    if not reviews.is_slow:
        return []
    text = _("A review has waited longer than two working days.")
    address = reverse("admin:oversight_review_changelist")
    return [Finding("warn", text, address, _("Take it up"))]
