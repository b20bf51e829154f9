"""The admin of auditor links: make one, see its use, end it."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from dossier.link_models import USUAL, AuditorLink
from dossier.links import create_link, revoke_link
from dossier.models import Dossier
from orgs.admin_lists import badge, name_column
from orgs.roles import Permission
from orgs.tenant_admin import DomainForm, TenantModelAdmin, required_tenant

_MAKER = name_column("created_by", _("made by"))


class AuditorLinkForm(DomainForm):
    """For whom, to what, how long."""

    class Meta:
        model = AuditorLink
        fields = ["name", "dossier", "period_start", "period_end", "expires_at"]
        widgets = {
            "period_start": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "period_end": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = self.fields.get("dossier")
        if isinstance(offered, forms.ModelChoiceField) and offered.queryset is not None:
            offered.queryset = offered.queryset.filter(state=Dossier.State.PUBLISHED)
            offered.required = False

    def _get_validation_exclusions(self) -> set[str]:
        # The secret is made when the link is.
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions | {"digest"}


@admin.register(AuditorLink)
class AuditorLinkAdmin(TenantModelAdmin):
    """Links for people without an account."""

    form = AuditorLinkForm
    permissions = {"view": Permission.DOSSIER_READ, "add": Permission.DOSSIER_REQUEST}
    list_intro = _(
        "A link opens one dossier, or those of one period, to somebody without an account. It "
        "ends by itself, can be revoked at once, and each download is a record in the audit log."
    )
    list_display = ["name", "shown_scope", "shown_state", "expires_at", "downloads", "last_used_at"]
    list_select_related = ["dossier"]
    sortable_by = ()
    actions = None
    change_form_template = "admin/dossier/auditorlink/change_form.html"

    @admin.display(description=_("opens"))
    def shown_scope(self, row: AuditorLink) -> str:
        """The dossier, or the period."""
        if row.scope is None:
            return str(row.dossier)
        return f"{row.scope[0]:%Y-%m-%d} to {row.scope[1]:%Y-%m-%d}"

    @admin.display(description=_("state"))
    def shown_state(self, row: AuditorLink) -> str:
        """Whether it opens anything now."""
        if row.revoked_at is not None:
            tone, words = "", _("revoked")
        else:
            tone, words = ("good", _("open")) if row.is_usable else ("warn", _("over"))
        return badge(tone, words)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is asked of a new link, and what is known of an old one."""
        if obj is None:
            return ["name", "dossier", "period_start", "period_end", "expires_at"]
        times = ["created_at", "expires_at", "revoked_at", "last_used_at"]
        return ["name", "shown_scope", "shown_state", _MAKER, *times, "downloads"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A link is never changed."""
        return self.get_fields(request, obj) if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The dossier from whose page somebody came; two weeks."""
        day = timezone.localdate() + USUAL
        last = datetime.combine(day, time(23, 59), timezone.get_current_timezone())
        return {"dossier": request.GET.get("dossier"), "expires_at": last}

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The question, under its name."""
        context = {"title": _("Make an auditor link"), **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Make the link; its address is kept for the one page that shows it."""
        link, address = create_link(required_tenant(request), **values)
        request.new_address = address  # type: ignore[attr-defined]
        return link

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that shows the address."""
        said = _(
            "It is shown this once, and opens what it names until %(until)s. Only its hash is "
            "kept, so nobody can show it again. Whoever has it can download what it opens; send "
            "it as you would send the file."
        )
        return self.show_once(
            request,
            request.new_address,  # type: ignore[attr-defined]
            title=_("Copy the link now"),
            said=said % {"until": date_format(timezone.localtime(obj.expires_at), "j M Y, H:i")},
            name=obj.name,
        )

    def get_urls(self) -> list[Any]:
        """Also an address for revoking."""
        revoke = self.admin_site.admin_view(require_POST(self.revoke))
        name = "dossier_auditorlink_revoke"
        return [path("<path:object_id>/revoke/", revoke, name=name), *super().get_urls()]

    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End a link at once."""
        link = self.get_object(request, object_id)
        assert isinstance(link, AuditorLink)
        revoke_link(required_tenant(request), link)
        messages.success(request, _("The link for “%(name)s” is revoked.") % {"name": link})
        return HttpResponseRedirect(reverse("admin:dossier_auditorlink_changelist"))
