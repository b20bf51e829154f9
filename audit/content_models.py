"""What decides about content: holds, retention, erasing by two, reading other people's texts."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.identifiers import uuid7
from orgs.models import Organisation, User
from orgs.tenancy import TenantModel


class Hold(TenantModel):
    """A legal hold: content that it covers cannot be erased and does not expire.

    It covers records of one actor, or of everybody, that claim a time between two ends, each open
    where it is empty. The database itself enforces it, in ``audit_erase()``.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="holds")
    name = models.CharField(_("name"), max_length=200, help_text=_("For instance a file number."))
    actor_id = models.CharField(
        _("person or key"), max_length=64, blank=True, help_text=_("Empty: everybody.")
    )
    since = models.DateTimeField(_("from"), null=True, blank=True)
    until = models.DateTimeField(_("until"), null=True, blank=True)
    placed_at = models.DateTimeField(_("placed"), default=timezone.now, editable=False)
    released_at = models.DateTimeField(_("released"), null=True, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("legal hold")
        ordering = ["-placed_at"]

    def __str__(self) -> str:
        return self.name


class Retention(TenantModel):
    """How long an organisation keeps content. The records themselves stay."""

    organisation = models.OneToOneField(
        Organisation, models.PROTECT, primary_key=True, related_name="retention"
    )
    content_days = models.PositiveIntegerField(
        _("days"), null=True, blank=True, help_text=_("Empty: content is kept until it is erased.")
    )

    class Meta(TenantModel.Meta):
        verbose_name = _("retention")


class Disclosure(TenantModel):
    """Somebody asks to read texts that are not their own, and somebody else decides.

    The reason stands sealed beside the log, in the record ``content.requested`` of the same id.
    """

    class State(models.TextChoices):
        """Where the request stands."""

        REQUESTED = "requested", _("requested")
        RELEASED = "released", _("released")
        REFUSED = "refused", _("refused")

    id = models.UUIDField(primary_key=True, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="disclosures")
    record_ids = ArrayField(models.UUIDField())
    concerned = ArrayField(models.CharField(max_length=64), default=list)
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED)
    requested_at = models.DateTimeField(_("requested"), default=timezone.now)
    decided_at = models.DateTimeField(_("decided"), null=True)
    expires_at = models.DateTimeField(_("readable until"), null=True)

    class Meta(TenantModel.Meta):
        verbose_name = _("disclosure")
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(
                name="two_people_disclose",
                condition=models.Q(decided_by=None)
                | ~models.Q(decided_by=models.F("requested_by")),
            )
        ]


class ErasureRule(TenantModel):
    """Whether an organisation demands that a second person confirms an erasure."""

    organisation = models.OneToOneField(
        Organisation, models.PROTECT, primary_key=True, related_name="erasure_rule"
    )
    two_people = models.BooleanField(_("two people erase"), default=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("rule of erasing")


class ErasureRequest(TenantModel):
    """Somebody asks to erase texts, and somebody else who may erase confirms it in time.

    Which texts stands in the record ``content.erasure_requested`` of the same id too.
    """

    class State(models.TextChoices):
        """Where the request stands."""

        REQUESTED = "requested", _("requested")
        CONFIRMED = "confirmed", _("confirmed")
        REFUSED = "refused", _("refused")

    id = models.UUIDField(primary_key=True, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="erasure_requests")
    places = models.JSONField()  # [[record id, slot], …]
    ground = models.CharField(_("legal ground"), max_length=20)
    requested_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("requested by")
    )
    decided_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("decided by")
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED)
    requested_at = models.DateTimeField(_("requested"), default=timezone.now)
    decided_at = models.DateTimeField(_("decided"), null=True)
    expires_at = models.DateTimeField(_("to be confirmed until"))

    class Meta(TenantModel.Meta):
        verbose_name = _("request to erase")
        verbose_name_plural = _("requests to erase")
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(
                name="two_people_erase",
                condition=models.Q(decided_by=None, decided_at=None, state="requested")
                | models.Q(decided_by__isnull=False, decided_at__isnull=False)
                & ~models.Q(decided_by=models.F("requested_by"))
                & ~models.Q(state="requested"),
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def slots(self) -> dict[str, list[str]]:
        """The texts that are to go, by record."""
        slots: dict[str, list[str]] = {}
        for record_id, slot in self.places:
            slots.setdefault(record_id, []).append(slot)
        return slots

    @property
    def is_open(self) -> bool:
        """Whether it can still be decided."""
        return self.state == self.State.REQUESTED and timezone.now() < self.expires_at

    @property
    def is_over(self) -> bool:
        """Whether nobody decided in time."""
        return self.state == self.State.REQUESTED and not self.is_open
