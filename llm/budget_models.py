"""Budgets, and what has been spent and reserved against them.

An account is one budget's period for one subject: the organisation, a person or an API key. Each
call has one entry in each account it counts against: reserved before the call, settled with what
it really took in the transaction that records its ending. Nobody updates a shared counter, so
nothing can drift, and whoever settles never waits for whoever is being admitted.
"""

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.identifiers import uuid7
from orgs.models import ApiKey, Organisation, User
from orgs.tenancy import TenantModel


class Budget(TenantModel):
    """How much may be spent in a day or a month, and what happens at the limit."""

    class Scope(models.TextChoices):
        """Whose calls are added up."""

        ORGANISATION = "organisation", _("the whole organisation")
        USER = "user", _("each person")
        API_KEY = "api_key", _("each API key")

    class Period(models.TextChoices):
        """When counting begins anew, in the organisation's time zone."""

        DAY = "day", _("a day")
        MONTH = "month", _("a month")

    class Unit(models.TextChoices):
        """What is counted. Calls priced in another currency do not count against a budget."""

        USD = "USD", _("US dollars")
        EUR = "EUR", _("euros")
        TOKENS = "tokens", _("tokens")

    class Action(models.TextChoices):
        """What happens to a call that would pass the limit."""

        WARN = "warn", _("goes on, and is marked in the log")
        BLOCK = "block", _("is refused")
        LOCAL_ONLY = "local_only", _("only goes to models on our own servers")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="budgets", verbose_name=_("organisation")
    )
    scope = models.CharField(_("for"), max_length=20, choices=Scope, default=Scope.ORGANISATION)
    user = models.ForeignKey(
        User,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("person"),
        help_text=_("Empty: every person has this budget."),
    )
    api_key = models.ForeignKey(
        ApiKey,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("API key"),
        help_text=_("Empty: every key has this budget."),
    )
    period = models.CharField(_("in"), max_length=10, choices=Period, default=Period.MONTH)
    limit = models.DecimalField(
        _("limit"), max_digits=18, decimal_places=6, validators=[MinValueValidator(0)]
    )
    unit = models.CharField(_("unit"), max_length=10, choices=Unit, default=Unit.USD)
    action = models.CharField(
        _("a call beyond it"), max_length=12, choices=Action, default=Action.BLOCK
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("budget")
        ordering = ["scope", "period", "limit"]
        constraints = [
            models.CheckConstraint(
                name="a_budget_names_only_its_own_subject",
                condition=(models.Q(user=None) | models.Q(scope="user"))
                & (models.Q(api_key=None) | models.Q(scope="api_key")),
            )
        ]

    def clean(self) -> None:
        """Refuse parts of tokens."""
        limit: Decimal | None = self.limit  # none where the form's was no number
        if self.unit == self.Unit.TOKENS and limit is not None and limit % 1:
            raise ValidationError({"limit": _("Tokens are counted whole: write 2 or 3, not 2.5.")})

    def __str__(self) -> str:
        limit = f"{self.limit.normalize():f}"
        return f"{limit} {self.get_unit_display()} in {self.get_period_display()}"


class BudgetAccount(TenantModel):
    """One period of a budget for one subject. ``settled`` holds what was compacted from entries."""

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+")
    budget = models.ForeignKey(Budget, models.CASCADE, related_name="accounts")
    subject_id = models.UUIDField()
    period_start = models.DateField()
    settled = models.DecimalField(max_digits=20, decimal_places=9, default=0)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "subject_id", "period_start"], name="one_account_per_period"
            )
        ]


class BudgetEntry(models.Model):
    """What one call counts against one account: an upper estimate, then what it really took."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(BudgetAccount, models.CASCADE, related_name="entries")
    inference_id = models.UUIDField(db_index=True)
    amount = models.DecimalField(max_digits=18, decimal_places=9)
    is_settled = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
