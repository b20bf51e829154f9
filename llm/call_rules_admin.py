"""The page of the organisation's rules for calls."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from llm.call_rules import LIMITS, change_rules
from llm.models import CallRules, ProviderSettings
from llm.screening import statement
from llm.screening_words import NAMES
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.tenant_admin import DomainForm, TenantModelAdmin, required_tenant

_KIND, _PLACE = "screening_of_", "place_"
# Who has more providers puts longer orders together by API; the page then shows them whole.
_MOST_PLACES = 20


class CallRulesForm(DomainForm):
    """The rules. Kinds and places are fields of their own; the page adds them."""

    class Meta:
        model = CallRules
        fields: ClassVar[list[str]] = ["screening", "pictures", "strategy", "fallback", *LIMITS]
        help_texts: ClassVar[dict[str, Any]] = {
            "screening": _("Of every kind below that has no rule of its own."),
            "strategy": _("Where neither a provider nor a model was asked for, or several fit."),
            "fallback": _(
                "Before the first word only, and never in a region that is not allowed. Each "
                "attempt is recorded."
            ),
            "requests_per_minute": _("Requests a minute of all together. Empty: no limit."),
            "requests_per_minute_person": _("Their API keys count too. Empty: no limit."),
            "requests_per_minute_key": _("Empty: no limit."),
        }


@admin.register(CallRules)
class CallRulesAdmin(TenantModelAdmin):
    """One page instead of a list: an organisation has these rules once."""

    permissions = {
        "view": Permission.PROVIDER_READ,
        "add": Permission.ORGANISATION_MANAGE,
        "change": Permission.ORGANISATION_MANAGE,
    }
    form = CallRulesForm
    list_display = ["__str__", "shown_kinds", "shown_chain"]
    list_intro = _(
        "Nobody has set rules yet: findings are noted in the log, and providers are "
        "tried by their priority."
    )

    # -- One page --------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of the rules; the list only for those who may look where there are none."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).first()
        if row is not None:
            return redirect("admin:llm_callrules_change", row.pk)
        if self.has_add_permission(request):
            return redirect("admin:llm_callrules_add")
        return super().changelist_view(request, extra_context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form with the defaults, unless there are rules already."""
        if self.has_add_permission(request) and self.get_queryset(request).exists():
            return redirect("admin:llm_callrules_changelist")
        context = {"title": self.row_title(None), "subtitle": None, **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def row_title(self, row: Any) -> str:
        """There is one."""
        return capfirst(_now("Rules for calls"))

    # -- The form --------------------------------------------------------------------------------

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """With a field for each kind, and one for each place in the order."""
        if obj is None or self.has_change_permission(request, obj):
            more = _kind_fields(obj) | _place_fields(obj, required_tenant(request))
            kwargs["form"] = type(self.form.__name__, (self.form,), more)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Those who may only look see kinds and order in words."""
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if may:
            kinds = [f"{_KIND}{kind}" for kind in NAMES]
            places = list(_place_fields(obj, required_tenant(request)))
        else:
            kinds, places = ["shown_kinds"], ["shown_chain"]
        return [
            (
                _("Looking at texts before they are sent"),
                {"fields": ["screening", *kinds, "pictures"], "description": statement()},
            ),
            (_("Which provider answers"), {"fields": ["strategy", *places, "fallback"]}),
            (_("How many requests a minute"), {"fields": list(LIMITS)}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nothing but what replaces fields for those who may only look."""
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return [] if may else ["shown_kinds", "shown_chain"]

    @admin.display(description=_("kinds with a rule of their own"))
    def shown_kinds(self, row: CallRules) -> str:
        """Each kind and what happens to it."""
        rules = dict(CallRules.Screening.choices)
        chosen = row.screening_by_kind.items()
        return "; ".join(f"{NAMES[kind]}: {rules[rule]}" for kind, rule in chosen) or _now("none")

    @admin.display(description=_("order"))
    def shown_chain(self, row: CallRules) -> str:
        """The providers' names."""
        rows = ProviderSettings.objects.for_organisation(row.organisation_id)
        names = dict(rows.filter(pk__in=row.chain).values_list("pk", "name"))
        return ", ".join(names[pk] for pk in row.chain if pk in names) or _now("none")

    # -- Saving ----------------------------------------------------------------------------------

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """The first rules."""
        return change_rules(required_tenant(request), **_rules_from(values))

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Other rules."""
        change_rules(required_tenant(request), **_rules_from(values))

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Back to the page."""
        return self._saved(request)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Back to the page."""
        return self._saved(request)

    def _saved(self, request: HttpRequest) -> HttpResponse:
        messages.success(request, _now("The rules hold from the next call on."))
        return redirect("admin:llm_callrules_changelist")


def _kind_fields(rules: CallRules | None) -> dict[str, forms.Field]:
    chosen = rules.screening_by_kind if rules else {}
    choices = [("", _("as above")), *CallRules.Screening.choices]
    return {
        f"{_KIND}{kind}": forms.ChoiceField(
            label=capfirst(str(name)), choices=choices, required=False, initial=chosen.get(kind, "")
        )
        for kind, name in NAMES.items()
    }


def _place_fields(rules: CallRules | None, tenant: Tenant) -> dict[str, forms.Field]:
    """As many places as there are providers; a list in the order of choosing needs no script."""
    rows = ProviderSettings.objects.for_tenant(tenant).order_by("priority", "name")
    choices = [("", _("by the rule above")), *((str(row.pk), row.name) for row in rows)]
    chain = [str(one) for one in rules.chain] if rules else []
    count = max(min(len(choices) - 1, _MOST_PLACES), len(chain))
    return {
        f"{_PLACE}{number}": forms.ChoiceField(
            label=_("Provider to be tried as number %(number)s") % {"number": number},
            choices=choices,
            required=False,
            initial=chain[number - 1] if number <= len(chain) else "",
        )
        for number in range(1, count + 1)
    }


def _rules_from(values: dict[str, Any]) -> dict[str, Any]:
    """A form's values as the domain takes them."""
    kinds = {kind: values[f"{_KIND}{kind}"] for kind in NAMES if values.get(f"{_KIND}{kind}")}
    places = [value for name, value in values.items() if name.startswith(_PLACE) and value]
    return {
        **{
            name: values[name]
            for name in ("screening", "pictures", "strategy", "fallback", *LIMITS)
        },
        "screening_by_kind": kinds,
        "chain": [UUID(place) for place in places],
    }
