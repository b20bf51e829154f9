"""Provider settings, conversations and the current state of inferences.

The text of prompts and answers is not here: it lives once, sealed, beside the audit log
(:class:`audit.models.Content`). A message names the record and the slot that hold its text.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from llm.billing_models import BillingDelivery, BillingWebhook
from llm.budget_models import Budget, BudgetAccount, BudgetEntry
from llm.rules_models import MOST_REQUESTS_PER_MINUTE, CallRules
from orgs.days import require_plausible
from orgs.identifiers import uuid7
from orgs.models import AISystem, ApiKey, Organisation, User
from orgs.roles import Role
from orgs.tenancy import TenantModel

__all__ = [
    "BillingDelivery",
    "BillingWebhook",
    "Budget",
    "BudgetAccount",
    "BudgetEntry",
    "CallRules",
    "Conversation",
    "Inference",
    "Message",
    "ProviderSettings",
]


class ProviderSettings(TenantModel):
    """How an organisation reaches one provider.

    ``key`` is sealed by :mod:`orgs.vault` and never shown again. An instance-wide default comes
    from the environment (``DEFAULT_LLM_PROVIDER``), not from a row.
    """

    class TrainingUse(models.TextChoices):
        """Whether the provider may train on what is sent, as the contract says."""

        UNKNOWN = "unknown", _("Not known")
        NO = "no", _("No")
        YES = "yes", _("Yes")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation,
        models.CASCADE,
        related_name="provider_settings",
        verbose_name=_("organisation"),
    )
    name = models.CharField(_("name"), max_length=100, help_text=_("Shown to people who chat."))
    vendor = models.CharField(_("vendor"), max_length=40)
    # Plain text: llm.providers.addresses reads it, once and more strictly than a URL field.
    base_url = models.CharField(
        _("base URL"), max_length=500, blank=True, help_text=_("Empty: the vendor's own address.")
    )
    key = models.BinaryField(_("key"), blank=True, default=b"", editable=False)
    key_hint = models.CharField(_("key ends in"), max_length=4, blank=True, editable=False)
    key_changed_at = models.DateTimeField(_("key set"), null=True, blank=True, editable=False)
    default_model = models.CharField(_("default model"), max_length=200)
    allowed_models = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        verbose_name=_("allowed models"),
        help_text=_("Separated by commas. Empty: only the default model."),
    )
    data_region = models.CharField(
        _("region"),
        max_length=20,
        default="unknown",
        help_text=_(
            "Where prompts are processed: EU, US, self-hosted, a country code, or unknown."
        ),
    )
    legal_entity = models.CharField(_("legal entity"), max_length=200, blank=True)
    transfer_mechanism = models.CharField(
        _("transfer mechanism"),
        max_length=200,
        blank=True,
        help_text=_(
            "GDPR Arts 44-49, for instance: adequacy decision, standard contractual clauses."
        ),
    )
    transfer_checked_on = models.DateField(_("transfer checked on"), null=True, blank=True)
    training_use = models.CharField(
        _("trains on our data"), max_length=10, choices=TrainingUse, default=TrainingUse.UNKNOWN
    )
    retention_at_provider = models.CharField(
        _("retention at the provider"), max_length=200, blank=True
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    priority = models.PositiveSmallIntegerField(
        _("priority"),
        default=100,
        help_text=_("The enabled provider with the lowest number is the default."),
    )
    timeout_seconds = models.PositiveSmallIntegerField(
        _("timeout"),
        default=60,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Seconds to wait for the first and each further piece. An answer that is asked for "
            "whole may take five times as long."
        ),
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_REQUESTS_PER_MINUTE)],
        help_text=_("Empty: no limit of our own."),
    )
    # Who may use it: where both are empty, everybody who may chat.
    open_to_roles = ArrayField(
        models.CharField(max_length=30, choices=Role),
        default=list,
        blank=True,
        verbose_name=_("open to roles"),
    )
    open_to_people = ArrayField(
        models.UUIDField(), default=list, blank=True, verbose_name=_("open to people")
    )
    restricted_models = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        verbose_name=_("only these models are restricted"),
        help_text=_("Separated by commas. Empty: the restriction holds for the whole provider."),
    )
    options = models.JSONField(_("vendor options"), default=dict, blank=True)
    # The record because of which nobody changes these settings for now (Art. 73(6)).
    frozen_because_of = models.UUIDField(_("frozen because of"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta(TenantModel.Meta):
        verbose_name = _("provider")
        ordering = ["priority", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "name"], name="one_provider_setting_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a mistyped year."""
        require_plausible(transfer_checked_on=self.transfer_checked_on)

    @property
    def models_offered(self) -> list[str]:
        """The default model, then the other allowed ones."""
        return [self.default_model, *(m for m in self.allowed_models if m != self.default_model)]

    def models_open_to(self, *, role: str, user_id: uuid.UUID) -> list[str]:
        """Those of the models offered that a person in a role may use."""
        is_open = not (self.open_to_roles or self.open_to_people)
        if is_open or role in self.open_to_roles or user_id in self.open_to_people:
            return self.models_offered
        if not self.restricted_models:
            return []
        return [model for model in self.models_offered if model not in self.restricted_models]


class Conversation(TenantModel):
    """A person's chat. The title is sealed, since it is made of what the person wrote."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="conversations")
    user = models.ForeignKey(User, models.CASCADE, related_name="conversations")
    system = models.ForeignKey(
        AISystem, models.SET_NULL, null=True, blank=True, related_name="conversations"
    )
    sealed_title = models.BinaryField(default=b"")
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta(TenantModel.Meta):
        ordering = ["-updated_at"]
        indexes = [models.Index(fields=["organisation", "user", "-updated_at"])]


class Message(TenantModel):
    """One message of a conversation; its text is the content ``slot`` of ``record_id``.

    An answer has its record when it has ended: until then ``record_id`` is None.

    ``parent`` makes a tree: a retry is a second answer to the same prompt, an edited prompt a
    second child of the same parent, and nothing is overwritten.
    """

    class Role(models.TextChoices):
        """Who speaks."""

        USER = "user"
        ASSISTANT = "assistant"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="messages")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children"
    )
    role = models.CharField(max_length=10, choices=Role)
    record_id = models.UUIDField(null=True, blank=True)
    slot = models.CharField(max_length=32)
    inference = models.ForeignKey(
        "Inference", models.CASCADE, null=True, blank=True, related_name="messages"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta(TenantModel.Meta):
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["conversation", "created_at"])]


class Inference(TenantModel):
    """The current state of one call to a model. The evidence is in the log; this is its index.

    Its id is the id of its ``inference.requested`` record. Promise P3 hangs on one conditional
    update: an ending is recorded only by whoever turns ``state`` away from ``started``, in the
    transaction that appends the ending to the log.
    """

    class State(models.TextChoices):
        """``started``, then exactly one of the others."""

        STARTED = "started", _("running")
        COMPLETED = "completed", _("completed")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")
        BLOCKED = "blocked", _("blocked")
        INTERRUPTED = "interrupted", _("interrupted")

    id = models.UUIDField(primary_key=True, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="inferences")
    user = models.ForeignKey(User, models.PROTECT, related_name="inferences")
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True, related_name="+")
    # Systems are retired, never deleted, and always asked for together with the organisation.
    system = models.ForeignKey(
        AISystem, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    conversation = models.ForeignKey(
        Conversation, models.SET_NULL, null=True, blank=True, related_name="inferences"
    )
    # One question may take several calls: the first one's id stands in those after it.
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    attempt_of = models.UUIDField(_("attempt of"), null=True, blank=True)
    provider_settings = models.ForeignKey(
        ProviderSettings, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # As OpenTelemetry names it: "chat" or "embeddings".
    operation = models.CharField(_("operation"), max_length=20, default="chat")
    provider_name = models.CharField(max_length=100)
    requested_model = models.CharField(max_length=200)
    response_model = models.CharField(max_length=200, blank=True)
    data_region = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=State, default=State.STARTED)
    end_record_id = models.UUIDField(null=True, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    usage_source = models.CharField(max_length=10, blank=True)
    cost = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Renewed by the process that runs the call; expired means that the process is gone.
    lease_expires_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["organisation", "-started_at"]),
            models.Index(
                fields=["lease_expires_at"],
                condition=models.Q(state="started"),
                name="inference_running",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="an_ended_inference_has_its_record",
                condition=models.Q(state="started", end_record_id=None)
                | (~models.Q(state="started") & models.Q(end_record_id__isnull=False)),
            )
        ]

    def body(self) -> dict[str, Any]:
        """The OpenTelemetry names that every record of this call carries."""
        return {
            "gen_ai.operation.name": self.operation,
            "gen_ai.provider.name": self.provider_name,
            "gen_ai.request.model": self.requested_model,
        }
