"""What was found of, asked of and got from the makers of models; and who checked a fact of law."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.identifiers import uuid7
from orgs.models import Organisation, User
from orgs.tenancy import TenantModel


class UpstreamRequest(TenantModel):
    """A request for documentation to the maker or host of a model (Art. 53(1)(b), Art. 89(2)).

    It is asked once and answered at most once. What it says is also in the log, sealed.
    """

    class Outcome(models.TextChoices):
        """What came of it."""

        OPEN = "open", _("no answer yet")
        SUPPLIED = "supplied", _("answered with documents")
        REFUSED = "refused", _("declined")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation,
        models.CASCADE,
        related_name="upstream_requests",
        verbose_name=_("organisation"),
    )
    model = models.CharField(_("model"), max_length=200, help_text=_("As it stands in the log."))
    addressee = models.CharField(
        _("addressee"),
        max_length=300,
        help_text=_(
            "Whom you asked. Example: OpenAI Ireland Ltd, contact for downstream providers."
        ),
    )
    channel = models.CharField(
        _("by"),
        max_length=200,
        help_text=_("How it was sent. Example: e-mail to compliance@provider.example."),
    )
    asked_on = models.DateField(_("asked on"))
    items = ArrayField(
        models.CharField(max_length=40),
        verbose_name=_("asked for"),
        help_text=_("Items of Annex XII, or the public summary of training content."),
    )
    text = models.TextField(
        _("text of the request"),
        max_length=8000,
        blank=True,
        help_text=_("Kept sealed in the log; not printed in dossiers."),
    )
    is_signatory = models.BooleanField(default=False, editable=False)
    remind_on = models.DateField(
        _("reminder"),
        null=True,
        blank=True,
        editable=False,
    )
    reminded_at = models.DateTimeField(null=True, blank=True, editable=False)
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=Outcome, default=Outcome.OPEN, editable=False
    )
    answered_on = models.DateField(_("answered on"), null=True, blank=True, editable=False)
    answer = models.TextField(_("answer"), max_length=4000, blank=True, editable=False)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+", editable=False)
    asked_name = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(_("entered"), default=timezone.now, editable=False)
    answered_at = models.DateTimeField(null=True, blank=True, editable=False)
    record_id = models.UUIDField(_("record"), editable=False)
    answer_record_id = models.UUIDField(null=True, blank=True, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("request to a model maker")
        verbose_name_plural = _("requests to model makers")
        ordering = ["-asked_on", "-created_at"]
        indexes = [
            models.Index(
                fields=["remind_on"],
                condition=models.Q(outcome="open", reminded_at=None),
                name="upstream_request_to_remind",
            )
        ]
        constraints = [
            models.CheckConstraint(
                name="an_answered_request_has_its_day_and_record",
                condition=models.Q(outcome="open", answered_on=None, answer_record_id=None)
                | (
                    ~models.Q(outcome="open")
                    & models.Q(answered_on__isnull=False, answer_record_id__isnull=False)
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.model}, {self.addressee}, {self.asked_on}"


class UpstreamDocument(TenantModel):
    """A document of a maker or host, as an officer retrieved it: with address, day and hash.

    The server fetches nothing. ``file`` holds the sealed copy; ``sha256`` is of the document.
    """

    class Kind(models.TextChoices):
        """What sort of document it is."""

        SUMMARY = "training_content_summary", _("public summary of training content")
        MODEL_DOCUMENTATION = "model_documentation", _("model documentation, model card")
        TERMS = "terms", _("terms, licence")
        ACCEPTABLE_USE = "acceptable_use", _("acceptable use policy")
        COPYRIGHT_POLICY = "copyright_policy", _("copyright policy")
        DATA_PROCESSING = "data_processing", _("data processing agreement")
        OTHER = "other", _("other")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation,
        models.CASCADE,
        related_name="upstream_documents",
        verbose_name=_("organisation"),
    )
    model = models.CharField(_("model"), max_length=200, help_text=_("As it stands in the log."))
    kind = models.CharField(_("kind"), max_length=30, choices=Kind)
    title = models.CharField(
        _("title"),
        max_length=300,
        help_text=_("As on its first page. Example: Public summary of training content."),
    )
    publisher = models.CharField(
        _("publisher"), max_length=200, help_text=_("Who says so. Example: OpenAI Ireland Ltd.")
    )
    version = models.CharField(
        _("version"), max_length=100, blank=True, help_text=_("Or its own date, as stated in it.")
    )
    url = models.URLField(
        _("address"),
        max_length=500,
        blank=True,
        help_text=_("Where it is published. Empty where it was supplied on request."),
    )
    retrieved_on = models.DateField(
        _("retrieved on"), help_text=_("The day on which you fetched or got it.")
    )
    answers = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        verbose_name=_("answers"),
        help_text=_("The items of Annex XII that you found answered in it."),
    )
    is_confidential = models.BooleanField(
        _("confidential"),
        default=False,
        help_text=_(
            "Supplied in confidence (Art. 53(7), Art. 78): dossiers name it, never its text."
        ),
    )
    request = models.ForeignKey(
        UpstreamRequest,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="documents",
        verbose_name=_("in answer to"),
    )
    file = models.FileField(_("copy"), max_length=300, editable=False)
    file_name = models.CharField(max_length=200, editable=False)
    media = models.CharField(max_length=100, editable=False)
    size = models.PositiveBigIntegerField(_("bytes"), editable=False)
    sha256 = models.CharField(_("SHA-256"), max_length=64, editable=False)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+", editable=False)
    added_name = models.CharField(_("added by"), max_length=200, editable=False)
    added_at = models.DateTimeField(_("added"), default=timezone.now, editable=False)
    record_id = models.UUIDField(_("record"), editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("document of a model maker")
        verbose_name_plural = _("documents of model makers")
        ordering = ["-added_at"]
        indexes = [models.Index(fields=["organisation", "model", "-added_at"])]

    def __str__(self) -> str:
        return f"{self.title} ({self.model})"
