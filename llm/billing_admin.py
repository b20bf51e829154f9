"""The admin of usage for billing: where each day's usage goes, and every report on its way."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from llm import billing, billing_delivery
from llm.models import BillingDelivery, BillingWebhook
from orgs.admin_lists import badge, period_filter, time_column
from orgs.roles import Permission
from orgs.tenant_admin import DomainForm, TenantModelAdmin, required_tenant

_MADE = time_column("created_at", _("made"))
_NEXT = time_column("next_attempt_at", _("next attempt"))
_DELIVERED = time_column("delivered_at", _("delivered"))
_LIST = "admin:llm_billingdelivery_changelist"


class WebhookForm(DomainForm):
    """Where usage is reported."""

    class Meta:
        model = BillingWebhook
        fields = ["url", "is_enabled"]
        help_texts = {
            "url": _(
                "Public and https, unless the operator allows a network, for instance: "
                "https://billing.example.org/hooks/usage"
            ),
            "is_enabled": _(
                "Switched off, nothing is sent. Switched on again, the days of the last week are "
                "made up for."
            ),
        }


@admin.register(BillingWebhook)
class BillingWebhookAdmin(TenantModelAdmin):
    """The address. There is one at most, so its list is the list of what was sent there."""

    permissions: ClassVar = dict.fromkeys(
        ("view", "add", "change", "delete"), Permission.ORGANISATION_MANAGE
    )
    form = WebhookForm
    change_form_template = "admin/llm/billing_webhook.html"

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Never a line of its own in the column: it is reached from the reports."""
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """To the reports."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return redirect(_LIST)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Where there is an address already, to that one."""
        found = self.get_queryset(request).first()
        if found is not None and self.has_view_permission(request):
            return redirect("admin:llm_billingwebhook_change", found.pk)
        return super().add_view(request, form_url, extra_context)

    def row_title(self, row: Any) -> str:
        """What it is, not what it says: addresses are long."""
        return _now("Address for usage")

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Set the address; its secret is shown by the page that follows."""
        row, secret = billing.save_webhook(required_tenant(request), **values)
        request.new_secret = secret  # type: ignore[attr-defined]
        return row

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Change it; the secret stays."""
        billing.save_webhook(required_tenant(request), **values)

    def perform_delete(self, request: HttpRequest, row: models.Model) -> None:
        """Take it away, with its reports."""
        billing.remove_webhook(required_tenant(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The address, and how many reports go with it."""
        reports = sum(row.deliveries.count() for row in objs)
        return [str(row) for row in objs], {_now("reports"): reports}, set(), []

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that shows the secret."""
        return self._shown(request, request.new_secret)  # type: ignore[attr-defined]

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Back to the reports."""
        messages.success(request, _("The address is saved."))
        return redirect(_LIST)

    def get_urls(self) -> list[Any]:
        """Also an address for a new secret."""
        renew = self.admin_site.admin_view(require_POST(self.renew))
        name = "llm_billingwebhook_renew"
        return [path("<uuid:object_id>/secret/", renew, name=name), *super().get_urls()]

    def renew(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Replace the secret, and show the new one once."""
        row = self.get_object(request, str(object_id))
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        return self._shown(request, billing.renew_secret(required_tenant(request)))

    def _shown(self, request: HttpRequest, secret: str) -> HttpResponse:
        return self.show_once(
            request,
            secret,
            title=_("Copy the secret now"),
            said=_(
                "It is shown this once and then stored encrypted. Your receiver checks every "
                "report with it; an older one is worth nothing from now on."
            ),
            name=_("Secret"),
            leads_to=_LIST,
            list_title=BillingDeliveryAdmin.list_title,
        )


@admin.register(BillingDelivery)
class BillingDeliveryAdmin(TenantModelAdmin):
    """Each report and how far it got, under the address it goes to."""

    permissions = {"view": Permission.ORGANISATION_MANAGE}
    list_title = _("Usage for billing")
    list_intro = _(
        "Each day's calls, tokens and cost, by provider, model, person and key, sent to an address "
        "of yours an hour after the day is over, signed, and again until it is taken."
    )
    change_list_template = "admin/llm/billing_change_list.html"
    change_form_template = "admin/llm/billing_change_form.html"
    list_display = ["__str__", "shown_state", _MADE, "attempts", "shown_next", "last_problem"]
    list_filter = ["state", "kind", period_filter("created_at")]
    sortable_by = ()
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["shown_state", "message_id", "kind", "day"]}),
        (
            _("On its way"),
            {"fields": ["attempts", "last_problem", "shown_next", _MADE, _DELIVERED]},
        ),
        (_("What is sent"), {"fields": ["body"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything."""
        return [name for _title, found in self.fieldsets for name in found["fields"]]

    @admin.display(description=_("state"))
    def shown_state(self, row: BillingDelivery) -> str:
        """In words, with a colour that repeats it."""
        return badge(_TONES[row.state], row.get_state_display())

    @admin.display(description=_("next attempt"))
    def shown_next(self, row: BillingDelivery) -> str:
        """Only of what waits."""
        return str(_NEXT(row)) if row.state == BillingDelivery.State.WAITING else ""

    @admin.display(description=_("id of the message"))
    def message_id(self, row: BillingDelivery) -> str:
        """By which a receiver tells doubles."""
        return row.message_id

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The reports, under their address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {"webhook": billing.webhook_of(required_tenant(request))}
        return super().changelist_view(request, context | (extra_context or {}))

    # -- Acts ------------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Also addresses for the test and for sending again."""
        view = self.admin_site.admin_view
        return [
            path("test/", view(require_POST(self.test)), name="llm_billing_test"),
            path(
                "<uuid:object_id>/again/",
                view(require_POST(self.again)),
                name="llm_billingdelivery_again",
            ),
            *super().get_urls(),
        ]

    def test(self, request: HttpRequest) -> HttpResponse:
        """Send a report without usage now, and say what came of it."""
        tenant = required_tenant(request)
        if billing.webhook_of(tenant) is None:
            messages.error(request, _("Set an address first."))
            return redirect(_LIST)
        try:
            self._tell(request, billing_delivery.deliver_now(billing.report_test(tenant)))
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
        return redirect(_LIST)

    def again(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Send a report once more, now, under the same id."""
        row = self.get_object(request, str(object_id))
        sent = billing.send_again(required_tenant(request), row.pk)
        self._tell(request, billing_delivery.deliver_now(sent))
        return redirect("admin:llm_billingdelivery_change", row.pk)

    def _tell(self, request: HttpRequest, row: BillingDelivery) -> None:
        if row.state == BillingDelivery.State.DELIVERED:
            messages.success(request, _("It was taken."))
            return
        words = _now("It was not taken: %(problem)s") % {"problem": row.last_problem or "…"}
        if row.state == BillingDelivery.State.WAITING:
            words += " " + _now("It is tried again by itself.")
        messages.error(request, words)


_TONES: dict[str, str] = {
    BillingDelivery.State.WAITING: "warn",
    BillingDelivery.State.DELIVERED: "good",
    BillingDelivery.State.FAILED: "bad",
}
