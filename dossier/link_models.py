"""Links by which somebody without an account gets dossiers: an auditor, an authority."""

from __future__ import annotations

from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.days import require_plausible
from orgs.identifiers import uuid7
from orgs.models import Organisation, User
from orgs.tenancy import TenantModel


class AuditorLink(TenantModel):
    """A link to one dossier, or to those whose whole period lies within a period.

    ``digest`` is the SHA-256 of the secret in the address, which is shown once and kept nowhere.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="auditor_links", verbose_name=_("organisation")
    )
    name = models.CharField(
        _("for whom"),
        max_length=200,
        help_text=_("Who will get the link. Only your organisation sees this."),
    )
    dossier = models.ForeignKey(
        "dossier.Dossier",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="links",
        verbose_name=_("dossier"),
        help_text=_("One dossier; or leave it empty and name a period."),
    )
    period_start = models.DateField(_("first day"), null=True, blank=True)
    period_end = models.DateField(
        _("last day"),
        null=True,
        blank=True,
        help_text=_("Every published dossier of this period, also one that is made later."),
    )
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    expires_at = models.DateTimeField(_("valid until"))
    created_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", editable=False, verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    downloads = models.PositiveIntegerField(_("downloads"), default=0, editable=False)
    # How often it was used since when: the limit of its rate, kept where Redis is not needed.
    window_started_at = models.DateTimeField(default=timezone.now, editable=False)
    window_uses = models.PositiveIntegerField(default=0, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("auditor link")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="a_link_leads_to_a_dossier_or_a_period",
                condition=models.Q(
                    dossier__isnull=False, period_start__isnull=True, period_end__isnull=True
                )
                | models.Q(
                    dossier__isnull=True,
                    period_start__isnull=False,
                    period_end__isnull=False,
                    period_end__gte=models.F("period_start"),
                ),
                violation_error_message=_(
                    "Name one dossier, or the first and last day of a period."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Name what is wrong with a period."""
        require_plausible(period_start=self.period_start, period_end=self.period_end)
        if self.scope is not None and self.scope[1] < self.scope[0]:
            raise ValidationError({"period_end": _("The last day lies before the first.")})

    @property
    def is_usable(self) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def scope(self) -> tuple[date, date] | None:
        """The period it leads to, None where it leads to one dossier."""
        if self.period_start is None or self.period_end is None:
            return None
        return self.period_start, self.period_end


LONGEST = timedelta(days=90)
USUAL = timedelta(days=14)
