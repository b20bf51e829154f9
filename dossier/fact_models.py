"""That a person looked at a fact of law, and what they found."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.identifiers import uuid7
from orgs.models import Organisation, User
from orgs.tenancy import TenantModel


class FactReview(TenantModel):
    """One look at one row of ``dossier/facts/``. Nothing is overwritten: the newest counts.

    ``changes`` is empty for a confirmation; else it holds the fields that differ from the file.
    """

    class Act(models.TextChoices):
        """What the person did."""

        CONFIRMED = "confirmed", _("confirmed")
        OVERRIDDEN = "overridden", _("changed")

    class Grade(models.TextChoices):
        """What was read."""

        PRIMARY = "P", _("the text itself")
        SECONDARY = "S", _("a secondary source")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="fact_reviews", verbose_name=_("organisation")
    )
    file = models.CharField(_("file"), max_length=40)
    key = models.CharField(_("row"), max_length=200)
    act = models.CharField(_("act"), max_length=10, choices=Act)
    grade = models.CharField(_("read"), max_length=1, choices=Grade)
    source = models.URLField(_("source"), max_length=500)
    changes = models.JSONField(_("changes"), default=dict, blank=True)
    ground = models.TextField(_("ground"), max_length=2000, blank=True)
    reviewed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reviewed_name = models.CharField(_("by"), max_length=200)
    reviewed_role = models.CharField(max_length=60)
    reviewed_at = models.DateTimeField(_("on"), default=timezone.now)
    record_id = models.UUIDField(_("record"))

    class Meta(TenantModel.Meta):
        verbose_name = _("check of a legal fact")
        verbose_name_plural = _("checks of legal facts")
        ordering = ["-reviewed_at"]
        indexes = [models.Index(fields=["organisation", "file", "key", "-reviewed_at"])]

    def __str__(self) -> str:
        return f"{self.file} {self.key}"
