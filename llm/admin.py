"""The admin of calls to models and of the providers they go to."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from llm import billing_admin, budget_admin, call_rules_admin, provider_access, provider_settings
from llm.admin_forms import ProviderForm, key_words
from llm.models import Inference, ProviderSettings
from llm.provider_trial import try_provider
from llm.providers import registry
from llm.providers.addresses import UnsafeAddress
from llm.providers.registry import UnknownVendor
from llm.regions import region_of
from orgs.admin_lists import (
    IdentifiedModelAdmin,
    badge,
    period_filter,
    recent_values_filter,
    time_column,
)
from orgs.roles import Permission
from orgs.tenant_admin import TenantModelAdmin, required_tenant

# Registered by being read; named so that no one takes the import for a leftover.
__all__ = [
    "InferenceAdmin",
    "ProviderSettingsAdmin",
    "billing_admin",
    "budget_admin",
    "call_rules_admin",
]

_STARTED = time_column("started_at", _("started"))
_ENDED = time_column("ended_at", _("ended"))


@admin.register(Inference)
class InferenceAdmin(IdentifiedModelAdmin):
    """Calls to models, newest first. Their evidence is in the audit log; this is its index."""

    permissions = {"view": Permission.AUDIT_READ}
    identifier_fields = ("pk", "end_record_id")
    list_intro = _(
        "Every call to a model and how it ended. The evidence of each stands in the audit log."
    )
    list_display = [
        _STARTED,
        "shown_state",
        "person",
        "shown_provider",
        "shown_model",
        "shown_region",
        "shown_tokens",
        "shown_cost",
        "shown_duration",
    ]
    list_filter = [
        "state",
        recent_values_filter("provider_name", title=_("provider"), newest_first="-started_at"),
        recent_values_filter("data_region", title=_("region"), newest_first="-started_at"),
        period_filter("started_at"),
    ]
    list_select_related = ["user", "api_key"]
    fieldsets = [
        (None, {"fields": ["shown_state", "error_code", "finish_reason", "person", "program"]}),
        (
            _("Where it went"),
            {"fields": ["shown_provider", "requested_model", "response_model", "shown_region"]},
        ),
        (_("What it took"), {"fields": ["shown_tokens", "usage_source", "shown_cost"]}),
        (
            _("When"),
            {"fields": [_STARTED, _ENDED, "shown_first_token", "shown_duration"]},
        ),
        (_("Evidence"), {"fields": ["shown_request", "shown_ending"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything."""
        return [name for _title, options in self.fieldsets for name in options["fields"]]

    @admin.display(description=_("state"))
    def shown_state(self, row: Inference) -> str:
        """The state in words, with a colour that repeats it."""
        return badge(_TONES.get(row.state, ""), row.get_state_display())

    def row_title(self, row: Inference) -> str:
        """By its time."""
        at = timezone.localtime(row.started_at)
        return _now("Inference of %(at)s") % {"at": f"{at:%Y-%m-%d %H:%M:%S}"}

    @admin.display(description=_("who"))
    def person(self, row: Inference) -> str:
        """Who asked."""
        return row.user.name

    @admin.display(description=_("API key"))
    def program(self, row: Inference) -> str:
        """The key, where a program asked."""
        return str(row.api_key) if row.api_key else ""

    @admin.display(description=_("provider"))
    def shown_provider(self, row: Inference) -> str:
        """As the record names it."""
        return row.provider_name

    @admin.display(description=_("first token after"))
    def shown_first_token(self, row: Inference) -> str:
        """From the request to the first token."""
        return f"{row.first_token_ms} ms" if row.first_token_ms is not None else ""

    @admin.display(description=_("model"))
    def shown_model(self, row: Inference) -> str:
        """The model that answered, else the one that was asked."""
        return row.response_model or row.requested_model

    @admin.display(description=_("region"))
    def shown_region(self, row: Inference) -> str:
        """Where the text was processed; nothing where it went nowhere."""
        return region_of(row.data_region).name if row.data_region else ""

    @admin.display(description=_("tokens in / out"))
    def shown_tokens(self, row: Inference) -> str:
        """Both counts, marked where they are our own estimate."""
        if row.input_tokens is None and row.output_tokens is None:
            return ""
        mark = "≈ " if row.usage_source == "estimated" else ""
        return f"{mark}{row.input_tokens or 0} / {row.output_tokens or 0}"

    @admin.display(description=_("cost"))
    def shown_cost(self, row: Inference) -> str:
        """The estimated price."""
        return f"{row.cost:.4f}\N{NO-BREAK SPACE}{row.currency}" if row.cost is not None else ""

    @admin.display(description=_("took"))
    def shown_duration(self, row: Inference) -> str:
        """From the request to the last token."""
        return (
            f"{row.duration_ms / 1000:.1f}\N{NO-BREAK SPACE}s"
            if row.duration_ms is not None
            else ""
        )

    @admin.display(description=_("request"))
    def shown_request(self, row: Inference) -> str:
        """The record of the request."""
        return _record_link(row.pk)

    @admin.display(description=_("ending"))
    def shown_ending(self, row: Inference) -> str:
        """The record of the ending."""
        return _record_link(row.end_record_id) if row.end_record_id else ""


_TONES: dict[str, str] = {
    Inference.State.COMPLETED: "good",
    Inference.State.FAILED: "bad",
    Inference.State.BLOCKED: "warn",
    Inference.State.INTERRUPTED: "warn",
}


def _record_link(record_id: Any) -> str:
    address = reverse("admin:audit_recordindex_change", args=[record_id])
    return format_html('<a class="hash" href="{}">{}</a>', address, record_id)


_ACCESS = ("open_to_roles", "open_to_people", "restricted_models")


@admin.register(ProviderSettings)
class ProviderSettingsAdmin(TenantModelAdmin):
    """How the organisation reaches its providers, and what is declared about each."""

    permissions = {
        "view": Permission.PROVIDER_READ,
        "add": Permission.PROVIDER_MANAGE,
        "change": Permission.PROVIDER_MANAGE,
    }
    form = ProviderForm
    change_form_template = "admin/llm/provider_change_form.html"
    list_intro = _(
        "Where prompts may go, and what you declare about each place. Switching one off stops "
        "every further call to it at once."
    )
    list_display = [
        "name",
        "priority",  # the list's own order, which the arrows would not show without it
        "shown_vendor",
        "default_model",
        "shown_region",
        "shown_key",
        "shown_state",
    ]
    list_filter = ["is_enabled"]
    search_fields = ["name", "vendor", "default_model"]
    search_help_text = _("Name, vendor or model")
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["name", "vendor", "base_url", "new_key"]}),
        (_("Models"), {"fields": ["default_model", "allowed_models"]}),
        (
            _("Declared for dossiers"),
            {
                "fields": [
                    "data_region",
                    "legal_entity",
                    "transfer_mechanism",
                    "transfer_checked_on",
                    "training_use",
                    "retention_at_provider",
                ]
            },
        ),
        (_("Who may use it"), {"fields": list(_ACCESS)}),
        (
            _("Operation"),
            {"fields": ["priority", "timeout_seconds", "requests_per_minute", "options"]},
        ),
    ]

    @admin.display(description=_("vendor"), ordering="vendor")
    def shown_vendor(self, row: ProviderSettings) -> str:
        """By name; the key of one whose package is gone."""
        with contextlib.suppress(UnknownVendor):
            return registry.vendor(row.vendor).name
        return row.vendor

    @admin.display(description=_("region"))
    def shown_region(self, row: ProviderSettings) -> str:
        """Where it processes, as far as is known."""
        try:
            return region_of(provider_settings.region_of(row)).name
        except (UnknownVendor, UnsafeAddress) as error:
            return str(error)

    @admin.display(description=_("key"))
    def shown_key(self, row: ProviderSettings) -> str:
        """Whether a key is set, never more than its end."""
        if not row.key:
            return _now("none")
        return f"…{row.key_hint}" if row.key_hint else _now("set")

    @admin.display(description=_("state"))
    def shown_state(self, row: ProviderSettings) -> str:
        """On or off, in words."""
        tone, words = ("good", _now("on")) if row.is_enabled else ("", _now("switched off"))
        return badge(tone, words)

    @admin.display(description=_("key"))
    def key_state(self, row: ProviderSettings) -> str:
        """For those who may look but not change."""
        return key_words(row)

    @admin.display(description=_("open to"))
    def access_in_words(self, row: Any) -> str:
        """The same for who may use it."""
        return str(row.access)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The field for a key only where it can be filled in."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        read = {"new_key": ["key_state"], _ACCESS[0]: ["access_in_words"]}
        read |= {name: [] for name in _ACCESS[1:]}
        return [
            (title, {"fields": [one for name in found["fields"] for one in read.get(name, [name])]})
            for title, found in self.fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nothing but what replaces the fields of the key and of who may use it."""
        if obj is None or self.has_change_permission(request, obj):
            return []
        return ["key_state", "access_in_words"]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form, which knows the organisation's people."""
        form = super().get_form(request, obj, change, **kwargs)
        people = provider_access.people_to_choose(required_tenant(request), obj)
        return type(form.__name__, (form,), {"people": people})

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> models.Model:
        """The row, with the words on who may use it."""
        row: Any = super().get_object(request, object_id, from_field)
        row.access = provider_access.in_words(required_tenant(request), row)
        return row  # type: ignore[no-any-return]

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Add a provider."""
        key = values.pop("new_key")
        return provider_settings.create(tenant=required_tenant(request), key=key, **values)

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Change a provider, and its key where a new one was given."""
        tenant, key = required_tenant(request), values.pop("new_key")
        with transaction.atomic():
            provider_settings.change(tenant=tenant, settings_id=row.pk, **values)
            if key:
                provider_settings.set_key(tenant=tenant, settings_id=row.pk, key=key)

    # -- Test, switch off, switch on -------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Also addresses for the test and the switch."""
        return [
            self._act("test", self.test),
            self._act("disable", self.disable),
            self._act("enable", self.enable),
            *super().get_urls(),
        ]

    def _act(self, name: str, act: Any) -> Any:
        view = self.admin_site.admin_view(require_POST(act))
        return path(f"<uuid:object_id>/{name}/", view, name=f"llm_providersettings_{name}")

    def _row(self, request: HttpRequest, object_id: Any) -> ProviderSettings:
        row = self.get_object(request, str(object_id))
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        assert isinstance(row, ProviderSettings)
        return row

    def disable(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """The kill switch."""
        row = self._row(request, object_id)
        provider_settings.disable(tenant=required_tenant(request), settings_id=row.pk)
        messages.warning(request, _("“%(name)s” is switched off.") % {"name": row.name})
        return redirect("admin:llm_providersettings_change", row.pk)

    def enable(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Allow calls again."""
        row = self._row(request, object_id)
        provider_settings.enable(tenant=required_tenant(request), settings_id=row.pk)
        messages.success(request, _("“%(name)s” is switched on.") % {"name": row.name})
        return redirect("admin:llm_providersettings_change", row.pk)

    def test(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Call the provider and say what came back."""
        row = self._row(request, object_id)
        trial = try_provider(required_tenant(request), row)
        level = messages.SUCCESS if trial.passed else messages.ERROR
        messages.add_message(request, level, trial.words)
        return redirect("admin:llm_providersettings_change", row.pk)
