"""An organisation's own rules for calls to models: screening, order, fallback, and how many."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.identifiers import uuid7
from orgs.models import Organisation
from orgs.tenancy import TenantModel

MOST_REQUESTS_PER_MINUTE = 1_000_000
_LIMITS = [MinValueValidator(1), MaxValueValidator(MOST_REQUESTS_PER_MINUTE)]


class CallRules(TenantModel):
    """One row for an organisation; where there is none, the defaults hold.

    ``screening`` holds for every kind of finding that ``screening_by_kind`` does not name.
    ``chain`` names provider settings in the order to try them where nothing else was asked for.
    Limits are requests in a minute; None is no limit.
    """

    class Screening(models.TextChoices):
        """What happens to a prompt in which something was found (:mod:`llm.screening`)."""

        OFF = "off", _("not looked at")
        FLAG = "flag", _("sent as it is; the kinds are noted in the log")
        ASK = "ask", _("sent only after the person has seen what was found")
        MASK = "mask", _("sent with identifiers replaced")
        BLOCK = "block", _("not sent")

    class Pictures(models.TextChoices):
        """What happens to a message with a picture: nothing looks into pictures."""

        ALLOW = "allow", _("sent; the log notes how many nothing has looked at")
        ASK = "ask", _("sent only if that was confirmed")
        BLOCK = "block", _("not sent")

    class Strategy(models.TextChoices):
        """How providers are put in order (:mod:`llm.strategies`)."""

        PRIORITY = "priority", _("by their priority")
        LOCAL_FIRST = "local_first", _("our own servers first")
        COST_OPTIMIZED = "cost_optimized", _("the cheapest first")
        QUALITY = "quality", _("the best first, by your own judgement in their options")
        SPEED = "speed", _("the quickest of the last day first")
        ROUND_ROBIN = "round_robin", _("in turns")

    class Fallback(models.TextChoices):
        """What may answer where the provider that was asked for does not."""

        NEVER = "never", _("nothing else")
        SAME_MODEL = "same_model", _("another provider of the same model")
        ANY = "any", _("the next provider, also with another model")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.OneToOneField(
        Organisation,
        models.CASCADE,
        related_name="call_rules",
        verbose_name=_("organisation"),
        editable=False,
    )
    screening = models.CharField(
        _("a prompt in which something was found is"),
        max_length=5,
        choices=Screening,
        default=Screening.FLAG,
    )
    screening_by_kind = models.JSONField(
        _("kinds with a rule of their own"), default=dict, blank=True
    )
    pictures = models.CharField(
        _("a message with a picture, which nothing looks into, is"),
        max_length=5,
        choices=Pictures,
        default=Pictures.ALLOW,
    )
    strategy = models.CharField(
        _("providers are tried"), max_length=20, choices=Strategy, default=Strategy.PRIORITY
    )
    chain = ArrayField(
        models.UUIDField(), default=list, blank=True, verbose_name=_("or in this order")
    )
    fallback = models.CharField(
        _("when a provider does not answer, it may be replaced by"),
        max_length=12,
        choices=Fallback,
        default=Fallback.SAME_MODEL,
    )
    requests_per_minute = models.PositiveIntegerField(
        _("the whole organisation"), null=True, blank=True, validators=_LIMITS
    )
    requests_per_minute_person = models.PositiveIntegerField(
        _("each person"), null=True, blank=True, validators=_LIMITS
    )
    requests_per_minute_key = models.PositiveIntegerField(
        _("each API key"), null=True, blank=True, validators=_LIMITS
    )
    updated_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("rules for calls")
        verbose_name_plural = _("rules for calls")

    def __str__(self) -> str:
        return str(_("Rules for calls"))

    @property
    def of_screening(self) -> tuple[Any, ...]:
        """All that screening goes by: two that are equal find and do the same."""
        return self.screening, self.pictures, sorted(self.screening_by_kind.items())
