"""The tables of anchors: what outsiders said about heads, and who is due to be asked."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.models import Organisation
from orgs.tenancy import TenantModel


class AnchorKind(models.TextChoices):
    """How somebody outside bound himself to a head."""

    TIME_STAMP = "time_stamp", _("Time stamp (RFC 3161)")
    COSIGNATURE = "cosignature", _("Witness cosignature (C2SP)")


class Anchor(TenantModel):
    """A verified statement of an outsider about one checkpoint. Only ever inserted.

    ``token`` is the DER of a ``TimeStampResp``, or a witness's signature line; both are about the
    checkpoint's note of that size in that log, byte for byte.
    """

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="+", verbose_name=_("organisation")
    )
    log_number = models.IntegerField()
    checkpoint = models.ForeignKey(
        "audit.Checkpoint", models.PROTECT, related_name="anchors", verbose_name=_("checkpoint")
    )
    size = models.PositiveBigIntegerField(_("size"))
    kind = models.CharField(_("kind"), max_length=20, choices=AnchorKind)
    authority = models.CharField(_("authority"), max_length=300)
    declared_qualified = models.BooleanField(
        _("declared qualified"),
        default=False,
        help_text=_("Declared by the operator of this instance; not looked up in a trusted list."),
    )
    token = models.BinaryField()
    at = models.DateTimeField(_("stated time"))
    received_at = models.DateTimeField(_("received"), default=timezone.now)

    class Meta(TenantModel.Meta):
        verbose_name = _("anchor")
        ordering = ["-size", "-id"]
        indexes = [
            models.Index(fields=["log_number", "kind", "authority", "-size"], name="anchor_by_size")
        ]

    def __str__(self) -> str:
        return f"{self.authority}: {self.size}"


class AnchorDuty(TenantModel):
    """When an authority is next asked about a log, and how it went the last time. No evidence.

    ``due_at`` is moved on before anybody is asked, so two workers do not ask twice, and no
    transaction stays open while a server outside thinks: that would hold up the sealer.
    """

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+")
    log_number = models.IntegerField()
    kind = models.CharField(max_length=20, choices=AnchorKind)
    authority = models.CharField(max_length=300)
    due_at = models.DateTimeField(default=timezone.now)
    failures = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True, default="")

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["log_number", "kind", "authority"], name="one_duty_per_authority"
            )
        ]


class HeadMail(TenantModel):
    """The head of a month, mailed to an organisation's officers: a copy outside the database."""

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+")
    month = models.DateField()
    size = models.PositiveBigIntegerField(default=0)
    recipients = models.PositiveIntegerField(default=0)
    claimed_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organisation", "month"], name="one_head_mail_a_month")
        ]
