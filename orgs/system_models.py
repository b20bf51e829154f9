"""AI systems: what an organisation runs. What the law makes of each is declared elsewhere."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.days import require_plausible
from orgs.identifiers import uuid7
from orgs.tenancy import TenantModel


class AISystem(TenantModel):
    """One AI system (Art. 3(1)) in the organisation's register.

    Conversations and API keys belong to one. Role, purpose and risk class in the sense of the law
    are declarations about it, with author and date: they do not stand here. A system is never
    deleted, since records name it; it is retired.
    """

    class Status(models.TextChoices):
        """Where the system stands."""

        PLANNED = "planned", _("planned")
        IN_USE = "in_use", _("in use")
        SUSPENDED = "suspended", _("suspended")
        RETIRED = "retired", _("retired")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        "orgs.Organisation",
        models.CASCADE,
        related_name="ai_systems",
        verbose_name=_("organisation"),
    )
    name = models.CharField(
        _("name"), max_length=100, help_text=_("As people know it. Example: Contract assistant.")
    )
    purpose = models.TextField(
        _("what it is for"),
        max_length=1000,
        blank=True,
        help_text=_(
            "One or two sentences, shown where people choose between systems (Art. 3(12) AI Act). "
            "Example: Drafting, summarising and translating texts in administration."
        ),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.IN_USE)
    in_use_since = models.DateField(
        _("in use since"),
        null=True,
        blank=True,
        help_text=_(
            "The day of putting into service (Art. 3(11) AI Act). The duties of systems that were "
            "there before 2 August 2026 differ (Art. 111)."
        ),
    )
    retired_on = models.DateField(_("retired on"), null=True, blank=True)
    overseers = models.ManyToManyField(
        "orgs.User",
        related_name="+",
        blank=True,
        verbose_name=_("persons who oversee it"),
        help_text=_(
            "Who watches over its use and may stop it (Arts 14 and 26(2) AI Act for high-risk "
            "systems; voluntary otherwise). Example: the compliance officer and a deputy."
        ),
    )
    created_at = models.DateTimeField(_("registered"), default=timezone.now, editable=False)
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta(TenantModel.Meta):
        verbose_name = _("AI system")
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                "organisation",
                Lower("name"),
                name="one_system_per_name",
                violation_error_message=_("There is a system of this name."),
            ),
            models.CheckConstraint(
                name="a_retired_system_has_its_day",
                condition=~models.Q(status="retired") | models.Q(retired_on__isnull=False),
                violation_error_message=_("Name the day on which it was retired."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse mistyped years, and a system that is retired before it was in use."""
        require_plausible(in_use_since=self.in_use_since, retired_on=self.retired_on)
        if self.in_use_since and self.retired_on and self.retired_on < self.in_use_since:
            raise ValidationError({"retired_on": _("This lies before the first day of use.")})

    @property
    def takes_calls(self) -> bool:
        """Whether new conversations and keys may belong to it."""
        return self.status == self.Status.IN_USE
