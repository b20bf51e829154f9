"""Where an organisation's usage is reported to, and each report on its way there."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.identifiers import uuid7
from orgs.models import Organisation
from orgs.tenancy import TenantModel


class BillingWebhook(TenantModel):
    """The address that gets the usage of each day. ``secret`` signs, and is sealed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.OneToOneField(
        Organisation,
        models.CASCADE,
        related_name="billing_webhook",
        verbose_name=_("organisation"),
    )
    # Plain text: llm.providers.addresses reads it, more strictly than a URL field.
    url = models.CharField(_("address"), max_length=500)
    secret = models.BinaryField(_("secret"), default=b"", editable=False)
    secret_changed_at = models.DateTimeField(_("secret made"), null=True, editable=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta(TenantModel.Meta):
        verbose_name = _("billing webhook")

    def __str__(self) -> str:
        return self.url


class BillingDelivery(TenantModel):
    """One report: its text, and how far it got. ``next_attempt_at`` is also the sender's lease."""

    class Kind(models.TextChoices):
        """What is reported."""

        USAGE = "usage.day", _("usage of a day")
        TEST = "test", _("test")

    class State(models.TextChoices):
        """``waiting``, then one of the others."""

        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("given up")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+")
    webhook = models.ForeignKey(BillingWebhook, models.CASCADE, related_name="deliveries")
    kind = models.CharField(_("what"), max_length=20, choices=Kind)
    day = models.DateField(_("day"), null=True)
    body = models.TextField(_("text"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    last_problem = models.CharField(_("last problem"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("made"), default=timezone.now)
    delivered_at = models.DateTimeField(_("delivered"), null=True)

    class Meta(TenantModel.Meta):
        verbose_name = _("usage report")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "day"],
                condition=models.Q(kind="usage.day"),
                name="one_billing_report_per_day",
            ),
            # Without a day, the constraint above would hold nothing.
            models.CheckConstraint(
                condition=models.Q(kind="usage.day", day__isnull=False)
                | models.Q(kind="test", day=None),
                name="a_report_of_usage_names_its_day",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="delivered") | models.Q(delivered_at__isnull=False),
                name="a_delivered_report_has_its_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(state="waiting"),
                name="billing_delivery_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.day or ''}".strip()

    @property
    def message_id(self) -> str:
        """The ``webhook-id``: the same for every attempt, so that a receiver can drop doubles."""
        return f"msg_{self.pk.hex}"
