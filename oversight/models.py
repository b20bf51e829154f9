"""Reviews of answers, incidents with their history, and tasks with a day by which they are due.

What people write (reasons, descriptions, corrected answers) is not here: it lives once, sealed,
beside the audit log, in the record whose id a row names.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from llm.models import Inference
from orgs.identifiers import uuid7
from orgs.models import AISystem, Organisation, User
from orgs.tenancy import TenantModel

__all__ = ["Category", "Incident", "IncidentEvent", "Review", "Task"]


class Review(TenantModel):
    """Somebody asks that a person looks at an answer they got; another person decides.

    Its id is that of its ``oversight.requested`` record. Whoever takes it up reads question and
    answer; from that moment counts the time until the decision (Art. 14(4)(b): automation bias
    shows in it).
    """

    class State(models.TextChoices):
        """Waiting, taken up by somebody, or decided in one of three ways."""

        WAITING = "waiting", _("waiting")
        TAKEN = "taken", _("being reviewed")
        ACCEPTED = "accepted", _("accepted")
        MODIFIED = "modified", _("modified")
        REJECTED = "rejected", _("rejected")

    class Reason(models.TextChoices):
        """Why it was decided so: each decision has one, not only a rejection."""

        CORRECT = "correct", _("It is correct as far as I checked it")
        ADEQUATE = "adequate", _("It is good enough for its purpose")
        FACTS = "facts", _("Facts are wrong")
        INCOMPLETE = "incomplete", _("Something essential is missing")
        TONE = "tone", _("Tone or wording does not fit")
        PERSONAL_DATA = "personal_data", _("It reveals personal data")
        HARMFUL = "harmful", _("It could harm somebody")
        UNLAWFUL = "unlawful", _("It discriminates, or is not lawful to use")
        OTHER = "other", _("Something else")

    DECIDED = (State.ACCEPTED, State.MODIFIED, State.REJECTED)

    id = models.UUIDField(primary_key=True, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="reviews")
    inference = models.ForeignKey(
        Inference, models.PROTECT, related_name="reviews", verbose_name=_("answer")
    )
    requested_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("asked by")
    )
    requested_at = models.DateTimeField(_("asked"), default=timezone.now)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    reviewer = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("reviewer")
    )
    taken_at = models.DateTimeField(_("taken up"), null=True)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True)
    seconds = models.PositiveIntegerField(_("seconds to the decision"), null=True)
    decision_id = models.UUIDField(_("record of the decision"), null=True)

    class Meta(TenantModel.Meta):
        verbose_name = _("review")
        ordering = ["-requested_at"]
        indexes = [models.Index(fields=["organisation", "state", "requested_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["inference"],
                condition=models.Q(state__in=["waiting", "taken"]),
                name="one_open_review_per_answer",
            ),
            models.CheckConstraint(
                name="nobody_reviews_their_own",
                condition=models.Q(reviewer=None) | ~models.Q(reviewer=models.F("requested_by")),
            ),
            models.CheckConstraint(
                name="a_decided_review_has_its_record",
                condition=models.Q(state__in=["waiting", "taken"], decision_id=None, seconds=None)
                | models.Q(
                    state__in=["accepted", "modified", "rejected"],
                    decision_id__isnull=False,
                    decided_at__isnull=False,
                    seconds__isnull=False,
                    reviewer__isnull=False,
                ),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_decided(self) -> bool:
        """Whether somebody accepted, modified or rejected the answer."""
        return self.state in self.DECIDED


class Category(models.TextChoices):
    """What an incident led to, directly or indirectly: Art. 3(49) of Regulation (EU) 2024/1689."""

    HEALTH = "health", _("Death of a person, or serious harm to health, Art. 3(49)(a)")
    INFRASTRUCTURE = (
        "infrastructure",
        _("Serious and irreversible disruption of critical infrastructure, Art. 3(49)(b)"),
    )
    RIGHTS = "rights", _("Infringement of obligations that protect fundamental rights, 3(49)(c)")
    PROPERTY = "property", _("Serious harm to property or the environment, Art. 3(49)(d)")
    NONE = "none", _("None of these")


class Incident(TenantModel):
    """Something that went wrong with an AI system, as it stands now; its history is in the log.

    Its id is that of its ``incident.opened`` record. ``category`` is empty until somebody has
    assessed it; the clock then runs as for the shortest case.
    """

    class Status(models.TextChoices):
        """Where the work stands."""

        OPEN = "open", _("open")
        UNDER_REVIEW = "under_review", _("under review")
        INITIAL_REPORT_SENT = "initial_report_sent", _("initial report sent")
        REPORTED = "reported_to_authority", _("reported to the authority")
        RESOLVED = "resolved", _("resolved")
        CLOSED = "closed", _("closed")
        NOT_SERIOUS = "triaged_not_serious", _("triaged: not serious")

    class Severity(models.TextChoices):
        """How bad it is, in the eyes of who reported or assessed it."""

        LOW = "low", _("low")
        MEDIUM = "medium", _("medium")
        HIGH = "high", _("high")
        CRITICAL = "critical", _("critical")

    class CausalLink(models.TextChoices):
        """How the system's part in it is judged (Art. 73(2), (4))."""

        NOT_ASSESSED = "", _("not assessed yet")
        EXCLUDED = "excluded", _("excluded")
        SUSPECTED = "suspected", _("suspected")
        LIKELY = "reasonably_likely", _("reasonably likely")
        ESTABLISHED = "established", _("established")

    OVER = (Status.RESOLVED, Status.CLOSED, Status.NOT_SERIOUS)

    id = models.UUIDField(primary_key=True, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="incidents")
    system = models.ForeignKey(
        AISystem, models.SET_NULL, null=True, blank=True, related_name="+",
        verbose_name=_("AI system"),
    )  # fmt: skip
    category = models.CharField(
        _("it led to"), max_length=20, choices=Category, blank=True,
        help_text=_("Empty until assessed: the clock then runs as for the shortest case."),
    )  # fmt: skip
    is_death = models.BooleanField(_("somebody died"), default=False)
    is_widespread = models.BooleanField(
        _("widespread infringement"),
        default=False,
        help_text=_("Art. 3(61): collective interests in at least two or three Member States."),
    )
    severity = models.CharField(
        _("severity"), max_length=10, choices=Severity, default=Severity.MEDIUM
    )
    status = models.CharField(_("status"), max_length=25, choices=Status, default=Status.OPEN)
    causal_link = models.CharField(
        _("causal link"), max_length=20, choices=CausalLink, blank=True, default=""
    )
    causal_link_at = models.DateTimeField(_("causal link judged"), null=True, blank=True)
    occurred_at = models.DateTimeField(_("occurred"), null=True, blank=True)
    aware_at = models.DateTimeField(
        _("became aware"),
        help_text=_("When the organisation learnt of it. The clock runs from then."),
    )
    country = models.CharField(
        _("Member State"), max_length=2, blank=True, validators=[RegexValidator(r"^[A-Z]{2}$")],
        help_text=_("Where it occurred: its authority is the one to tell. Two capital letters."),
    )  # fmt: skip
    persons_affected = models.PositiveIntegerField(_("persons affected"), null=True, blank=True)
    record_ids = ArrayField(
        models.UUIDField(), default=list, blank=True, verbose_name=_("records of the audit log")
    )
    provider_informed_at = models.DateTimeField(_("provider informed"), null=True, blank=True)
    initial_report_at = models.DateTimeField(_("initial report sent"), null=True, blank=True)
    reported_at = models.DateTimeField(_("complete report sent"), null=True, blank=True)
    authority = models.CharField(_("authority"), max_length=200, blank=True)
    reference = models.CharField(_("authority's reference"), max_length=100, blank=True)
    reporter = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("entered by")
    )
    opened_at = models.DateTimeField(_("entered"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta(TenantModel.Meta):
        verbose_name = _("incident")
        ordering = ["-opened_at"]
        indexes = [models.Index(fields=["organisation", "status", "-opened_at"])]
        constraints = [
            models.CheckConstraint(
                name="death_is_harm_to_health",
                condition=models.Q(is_death=False) | models.Q(category__in=["", "health"]),
            ),
            models.CheckConstraint(
                name="an_ended_incident_has_its_moment",
                condition=models.Q(
                    status__in=["resolved", "closed", "triaged_not_serious"],
                    ended_at__isnull=False,
                )
                | ~models.Q(status__in=["resolved", "closed", "triaged_not_serious"])
                & models.Q(ended_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"…{str(self.pk)[-12:]}"

    @property
    def is_over(self) -> bool:
        """Whether no more is to be done about it."""
        return self.status in self.OVER


class IncidentEvent(TenantModel):
    """One step of an incident's history: which record tells it, and who took it."""

    record_id = models.UUIDField(primary_key=True, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    incident = models.ForeignKey(Incident, models.PROTECT, related_name="events")
    kind = models.CharField(_("record"), max_length=40)
    person = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("by"))
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta(TenantModel.Meta):
        verbose_name = _("step of an incident")
        ordering = ["at", "record_id"]

    def __str__(self) -> str:
        return self.kind


class Task(TenantModel):
    """Something that a person has to do by a moment. Its id is that of its ``task.opened`` record.

    A task of an incident follows the incident's clock and is done with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="tasks")
    name = models.CharField(_("task"), max_length=200)
    incident = models.OneToOneField(
        Incident, models.PROTECT, null=True, blank=True, related_name="task"
    )
    assignee = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("for"),
        help_text=_("Empty: all compliance officers."),
    )  # fmt: skip
    opened_at = models.DateTimeField(_("entered"), default=timezone.now)
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    is_reminded = models.BooleanField(
        _("reminders by e-mail"),
        default=True,
        help_text=_("When half and four fifths of the time are over, and when all of it is."),
    )
    # The last share of the time, in per cent, at which somebody was reminded.
    reminded_at_percent = models.PositiveSmallIntegerField(default=0, editable=False)
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    done_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("done by")
    )

    class Meta(TenantModel.Meta):
        verbose_name = _("task")
        ordering = ["done_at", "due_at", "opened_at"]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(done_at=None), name="task_to_remind_of"
            )
        ]
        constraints = [
            models.CheckConstraint(
                name="a_task_of_ones_own_is_due",
                condition=models.Q(due_at__isnull=False) | models.Q(incident__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_late(self) -> bool:
        """Whether it should have been done by now."""
        return self.done_at is None and self.due_at is not None and self.due_at < timezone.now()
