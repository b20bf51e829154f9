"""The admin of budgets, and the page of usage and cost that is linked from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from llm import billing, budgets, usage, usage_pages
from llm.models import Budget
from orgs.admin_lists import badge
from orgs.roles import Permission
from orgs.tenant_admin import DomainForm, TenantModelAdmin, plain_choice, required_tenant

_SCOPE = Budget.Scope


class BudgetForm(DomainForm):
    """How much, for whom, and what then."""

    class Meta:
        model = Budget
        fields = [
            "scope",
            "user",
            "api_key",
            "period",
            "limit",
            "unit",
            "action",
            "is_active",
        ]
        help_texts = {
            "scope": _(
                "Whose calls are added up. “Each person” also counts their API keys' calls."
            ),
            "user": _("Only for budgets of persons. Empty: every person has this budget."),
            "api_key": _("Only for budgets of API keys. Empty: every key has this budget."),
            "period": _("Counting begins anew at midnight in your organisation's time zone."),
            "limit": _(
                "In the unit below, for instance: 50. What happens at the limit is chosen below."
            ),
            "unit": _(
                "Calls that are priced in another currency, or for which no price is known, do "
                "not count against a budget of money. Tokens always count."
            ),
            "action": _(
                "Decided before anything is sent, with the most that the call is expected to take."
            ),
            "is_active": _("Switched off, it neither counts nor stops anything."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.initial.get("limit") is not None:
            # As people write it: 1000, not 1000.000000.
            self.initial["limit"] = f"{self.initial['limit'].normalize():f}"

    def clean(self) -> dict[str, Any]:
        """A person or key only where the budget is one of persons or keys."""
        values: dict[str, Any] = super().clean() or {}
        if values.get("user") and values.get("scope") != _SCOPE.USER:
            self.add_error("user", _now("Leave this empty, or choose “each person” above."))
        if values.get("api_key") and values.get("scope") != _SCOPE.API_KEY:
            self.add_error("api_key", _now("Leave this empty, or choose “each API key” above."))
        return values


class UsageForm(forms.Form):
    """Which days, and by what they are added up."""

    since = forms.DateField(
        label=_("From"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=_("To"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    by = forms.ChoiceField(label=_("By"), choices=list(usage_pages.GROUPS.items()))


@admin.register(Budget)
class BudgetAdmin(TenantModelAdmin):
    """How much may be spent, and how much is left."""

    permissions = {
        "view": Permission.USAGE_READ,
        "add": Permission.ORGANISATION_MANAGE,
        "change": Permission.ORGANISATION_MANAGE,
        "delete": Permission.ORGANISATION_MANAGE,
    }
    form = BudgetForm
    change_list_template = "admin/llm/budget_change_list.html"
    list_intro = _(
        "Limits of a day or a month. Each call reserves the most it may take before it is sent, so "
        "calls at the same time cannot pass a limit together; what it really took is settled after."
    )
    list_display = ["__str__", "shown_subject", "shown_standing", "action", "shown_state"]
    list_select_related = ["user", "api_key"]
    sortable_by = ()
    actions = None
    fieldsets = [
        (None, {"fields": ["limit", "unit", "period"]}),
        (_("Whose calls"), {"fields": ["scope", "user", "api_key"]}),
        (_("At the limit"), {"fields": ["action", "is_active"]}),
    ]

    # -- Rows ------------------------------------------------------------------------------------

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, each row with its standings."""
        changelist = super().get_changelist_instance(request)
        found = usage_pages.lines(required_tenant(request))
        for row in changelist.result_list:
            row.lines = found.get(row.pk, [])
        return changelist

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> models.Model:
        """The row with its standings."""
        row: Any = super().get_object(request, object_id, from_field)
        tenant = required_tenant(request)
        row.lines = usage_pages.lines(tenant).get(row.pk, []) if request.method == "GET" else []
        return row  # type: ignore[no-any-return]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """An existing budget first says what is left of it."""
        if obj is None:
            return self.fieldsets
        return [(_("In this period"), {"fields": ["shown_standings"]}), *self.fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is counted, not set."""
        return [] if obj is None else ["shown_standings"]

    @admin.display(description=_("for"))
    def shown_subject(self, row: Budget) -> str:
        """The person or key it names, else whose calls are added up."""
        return str(row.user or row.api_key or row.get_scope_display())

    @admin.display(description=_("in this period"))
    def shown_standing(self, row: Any) -> str:
        """Used and left, in words and as a bar."""
        return usage_pages.summary(row, row.lines)

    @admin.display(description=_("used and left"))
    def shown_standings(self, row: Any) -> str:
        """The same for each person or key."""
        return usage_pages.details(row, row.lines)

    @admin.display(description=_("state"))
    def shown_state(self, row: Budget) -> str:
        """On or off, in words."""
        tone, words = ("good", _now("on")) if row.is_active else ("", _now("switched off"))
        return badge(tone, words)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Plain lists of people and keys: neither is made or changed from here."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        plain_choice(field)
        return field

    # -- Acts ------------------------------------------------------------------------------------

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Set a budget."""
        return budgets.save_budget(required_tenant(request), Budget(**values))

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Change its rules; what was counted stays."""
        assert isinstance(row, Budget)
        for name, value in values.items():
            setattr(row, name, value)
        budgets.save_budget(required_tenant(request), row)

    def perform_delete(self, request: HttpRequest, row: models.Model) -> None:
        """Remove it."""
        assert isinstance(row, Budget)
        budgets.delete_budget(required_tenant(request), row)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The budget alone: its counters are no things of their own to anybody."""
        return [str(row) for row in objs], {}, set(), []

    # -- Usage -----------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Also the page of usage, and its table as a file."""
        view = self.admin_site.admin_view
        return [
            path("usage/", view(require_GET(self.usage)), name="llm_usage"),
            path("usage/usage.csv", view(require_GET(self.usage_csv)), name="llm_usage_csv"),
            path("usage/billing.csv", view(require_GET(self.billing_csv)), name="llm_billing_csv"),
            *super().get_urls(),
        ]

    def usage(self, request: HttpRequest) -> HttpResponseBase:
        """Calls, tokens and cost of a period."""
        form, page = _asked(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Usage and cost"),
            "form": form,
            "page": page,
            "group": form.cleaned_data.get("by", "day"),
            "group_name": usage_pages.GROUPS.get(form.cleaned_data.get("by", "day")),
            "query": form.data.urlencode(),
        }
        return TemplateResponse(request, "admin/llm/usage.html", context)

    def usage_csv(self, request: HttpRequest) -> HttpResponse:
        """The same table for a spreadsheet."""
        form, page = _asked(request)
        if page is None:
            return HttpResponse(form.errors.as_text(), status=400, content_type="text/plain")
        return _file("usage", form, usage.as_csv(page.rows, [form.cleaned_data["by"]]))

    def billing_csv(self, request: HttpRequest) -> HttpResponse:
        """The same period for invoices: by day, provider, model, person and key, as ids."""
        form, page = _asked(request)
        if page is not None:
            days = {name: form.cleaned_data[name] for name in ("since", "until")}
            try:
                text = billing.usage_as_csv(required_tenant(request), **days)
                return _file("billing", form, text)
            except ValidationError as error:
                form.add_error(None, error)
        return HttpResponse(form.errors.as_text(), status=400, content_type="text/plain")


def _file(name: str, form: Any, text: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    since, until = form.cleaned_data["since"], form.cleaned_data["until"]
    response["Content-Disposition"] = f'attachment; filename="{name}_{since}_{until}.csv"'
    return response


def _asked(request: HttpRequest) -> tuple[Any, usage_pages.UsagePage | None]:
    """The form as the address fills it, thirty days by day by default, and its table."""
    tenant = required_tenant(request)
    tenant.require(Permission.USAGE_READ)
    today = timezone.localdate()
    data = request.GET.copy()
    data.setdefault("since", (today - timedelta(days=29)).isoformat())
    data.setdefault("until", today.isoformat())
    data.setdefault("by", "day")
    form = UsageForm(data)
    if not form.is_valid():
        return form, None
    values = form.cleaned_data
    try:
        page = usage_pages.usage_page(
            tenant, since=values["since"], until=values["until"], group_by=values["by"]
        )
    except ValidationError as error:
        form.add_error(None, error)
        return form, None
    return form, page
