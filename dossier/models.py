"""Dossiers, their schedules, and what people declared for them."""

from __future__ import annotations

from datetime import date

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dossier.languages import Language
from dossier.periods import Period, Rhythm
from orgs.identifiers import uuid7
from orgs.models import Organisation, User
from orgs.tenancy import TenantModel


class Kind(models.TextChoices):
    """What a dossier is about."""

    ART53 = "art53", _("Upstream documentation trail (Art. 53)")
    ART10 = "art10", _("Data-flow and input-data statement (Art. 10 note)")
    FULL = "full", _("Full dossier")


def _in_further_languages() -> ArrayField[list[str], list[str]]:
    """The field of the languages in which the same is printed once more."""
    return ArrayField(
        models.CharField(max_length=2, choices=Language),
        default=list,
        blank=True,
        verbose_name=_("further languages"),
        help_text=_("Each gives one more PDF with the same content in the same bundle."),
    )


class Dossier(TenantModel):
    """One dossier: the request, the work on it, and the file. Promise P6 is its constraint.

    ``fence`` grows with every claim. Whoever writes names the fence it was given; a worker that
    was thought dead and comes back writes nothing, since its number is no longer the row's.
    """

    class State(models.TextChoices):
        """Where the work stands."""

        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        PUBLISHED = "published", _("published")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="dossiers", verbose_name=_("organisation")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    period_start = models.DateField(_("first day"))
    period_end = models.DateField(_("last day"), help_text=_("Included in the period."))
    time_zone = models.CharField(_("time zone"), max_length=64, editable=False)
    # An input, not what tells dossiers apart: there is one, printed in one language or several.
    language = models.CharField(
        _("language"), max_length=2, choices=Language, default=Language.ENGLISH
    )
    further_languages = _in_further_languages()
    state = models.CharField(
        _("state"), max_length=10, choices=State, default=State.WAITING, editable=False
    )
    stage = models.CharField(_("stage"), max_length=40, blank=True, editable=False)
    percent = models.PositiveSmallIntegerField(
        _("progress"), default=0, validators=[MaxValueValidator(100)], editable=False
    )
    message = models.TextField(_("message"), blank=True, editable=False)
    requested_by = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("requested by"),
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    fence = models.PositiveIntegerField(default=0, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When this attempt began.
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The moment of the statement, fixed by the first attempt: later ones look at the same world.
    as_of = models.DateTimeField(_("status of"), null=True, blank=True, editable=False)
    # The tree it speaks of, fixed at the same time.
    checkpoint_size = models.PositiveBigIntegerField(null=True, blank=True, editable=False)
    file = models.FileField(_("file"), max_length=300, blank=True, editable=False)
    file_bytes = models.BigIntegerField(_("size"), null=True, blank=True, editable=False)
    file_sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, editable=False)
    manifest_sha256 = models.CharField(
        _("SHA-256 of MANIFEST.json"), max_length=64, blank=True, editable=False
    )
    record_id = models.UUIDField(_("record"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("requested"), default=timezone.now, editable=False)
    published_at = models.DateTimeField(_("published"), null=True, blank=True, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("dossier")
        ordering = ["-period_end", "kind", "-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "kind", "period_start", "period_end"],
                name="one_dossier_per_kind_and_period",
                violation_error_message=_("There is a dossier of this kind for this period."),
            ),
            models.CheckConstraint(
                name="a_period_ends_after_it_begins",
                condition=models.Q(period_end__gte=models.F("period_start")),
                violation_error_message=_("The last day lies before the first."),
            ),
            models.CheckConstraint(
                name="a_published_dossier_has_its_file_and_record",
                condition=~models.Q(state="published")
                | (models.Q(record_id__isnull=False) & ~models.Q(file="")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="dossier_to_do",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.period_start} to {self.period_end}"

    def clean(self) -> None:
        """Refuse a period that runs backwards before the database does."""
        start: date | None = self.period_start
        end: date | None = self.period_end
        if start is not None and end is not None and end < start:
            raise ValidationError({"period_end": _("The last day lies before the first.")})

    @property
    def period(self) -> Period:
        """The period, in the time zone that was the organisation's when it was requested."""
        return Period(self.period_start, self.period_end, self.time_zone)

    @property
    def languages(self) -> tuple[str, ...]:
        """Every language it is printed in, that of ``dossier.pdf`` first."""
        return (self.language, *self.further_languages)

    @property
    def is_published(self) -> bool:
        """Whether there is a file to download."""
        return self.state == self.State.PUBLISHED


class DossierSchedule(TenantModel):
    """Have a dossier of one kind made for every full month, quarter or year."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation,
        models.CASCADE,
        related_name="dossier_schedules",
        verbose_name=_("organisation"),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    rhythm = models.CharField(_("how often"), max_length=7, choices=Rhythm, default=Rhythm.MONTH)
    language = models.CharField(
        _("language"),
        max_length=2,
        choices=Language,
        blank=True,
        help_text=_("Empty: the organisation's language."),
    )
    further_languages = _in_further_languages()
    is_enabled = models.BooleanField(_("enabled"), default=True)
    catch_up_months = models.PositiveSmallIntegerField(
        _("catch up"),
        default=3,
        validators=[MaxValueValidator(36)],
        help_text=_(
            "How many full months after the end of its period a missed dossier is still made, "
            "once, after a stop of the service."
        ),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("dossier schedule")
        ordering = ["kind", "rhythm"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "kind", "rhythm"],
                name="one_schedule_per_kind_and_rhythm",
                violation_error_message=_("There is such a schedule for this kind of dossier."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.get_rhythm_display()}"


class Declaration(TenantModel):
    """What a named person stated, once. A change is a new row; nothing is overwritten.

    ``subject`` is empty for the whole organisation, else the name of a provider in the log.
    Name and role are kept as they were at that moment.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="declarations", verbose_name=_("organisation")
    )
    key = models.CharField(_("statement"), max_length=60)
    subject = models.CharField(_("about"), max_length=200, blank=True)
    value = models.TextField(_("declared"))
    declared_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("declared by")
    )
    declared_name = models.CharField(max_length=200, editable=False)
    declared_role = models.CharField(max_length=60, editable=False)
    declared_at = models.DateTimeField(_("declared on"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("valid until"), editable=False)
    record_id = models.UUIDField(_("record"), editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("declaration")
        ordering = ["-declared_at"]
        indexes = [models.Index(fields=["organisation", "key", "subject", "-declared_at"])]

    def __str__(self) -> str:
        return f"{self.key} {self.subject}".strip()


from dossier import fact_models, link_models, upstream_models  # noqa: E402, F401 - this app's tables
