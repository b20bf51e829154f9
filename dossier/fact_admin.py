"""The admin of the facts of law: what is on file, who checked it, confirming and changing a row."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods

from dossier.fact_models import FactReview
from dossier.fact_reviews import lawbook, review
from dossier.lawbook import EDITABLE, FILES, Fact
from orgs.roles import Permission
from orgs.tenant_admin import TenantModelAdmin, required_tenant

TITLES = {
    "obligations": _("Obligations"),
    "incident_clocks": _("Times to report incidents (Art. 73)"),
    "upstream": _("What makers of models disclose"),
    "annex_xii": _("Items of Annex XII"),
    "sources": _("Law and guidance cited"),
    "wording": _("Words that dossiers do not use"),
}
_FIELD_LABELS = {
    "duty": _("What is owed"),
    "from": _("From (days, separated by | where the annexes differ)"),
    "now": _("Status: yes, later, disputed or upstream"),
    "lim": _("What must not be claimed"),
    "max_days": _("Longest time in days"),
    "trigger": _("Trigger"),
    "title": _("Title"),
    "url": _("Address"),
    "value": _("What the maker states"),
}


class ReviewForm(forms.Form):
    """A look at one row. Fields of the row that are left as they are confirm it."""

    grade = forms.ChoiceField(
        label=_("What did you read?"),
        choices=[("P", _("The text itself")), ("S", _("A secondary source"))],
        widget=forms.RadioSelect,
        help_text=_("Only what somebody read is printed as fact."),
    )
    source = forms.URLField(
        label=_("Where"),
        max_length=500,
        assume_scheme="https",
        help_text=_("Example: https://eur-lex.europa.eu/eli/reg/2024/1689/oj"),
    )
    ground = forms.CharField(
        label=_("Why it is changed"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_(
            "Needed where you change something. Example: Corrigendum of 3 December 2026 moved the "
            "date."
        ),
    )

    def __init__(self, fact: Fact, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fact = fact
        self.fields["source"].initial = fact.source
        rows = []
        for name in EDITABLE[fact.file]:
            rows.append(f"row_{name}")
            self.fields[f"row_{name}"] = forms.CharField(
                label=_FIELD_LABELS[name],
                required=False,
                max_length=2000,
                initial=fact.row.get(name),
                widget=forms.Textarea(attrs={"rows": 2})
                if name in ("duty", "lim", "value")
                else forms.TextInput(),
            )
        self.order_fields([*rows, "ground", "grade", "source"])

    def changes(self) -> dict[str, Any]:
        """The row's fields as they stand in the form."""
        return {name: self.cleaned_data[f"row_{name}"] for name in EDITABLE[self.fact.file]}


def words(fact: Fact) -> str:
    """What a row says, in one line."""
    row = fact.row
    match fact.file:
        case "obligations":
            article = row["art"] if row["para"] in ("-", "all") else f"{row['art']}, {row['para']}"
            law = "GDPR" if article.startswith("GDPR ") else "AI Act"
            return f"{law} {article.removeprefix('GDPR ')}: {row['duty']}"
        case "incident_clocks":
            return f"{row['case'].replace('_', ' ')}: {row['max_days']} ({row['law']})"
        case "upstream":
            return f"{row['maker']}, {row['field'].replace('_', ' ')}: {row['value'] or '?'}"
        case "wording":
            return f"“{row['forbidden']}”: {row['write']}"
        case _:
            return str(row["title"])


@admin.register(FactReview)
class FactReviewAdmin(TenantModelAdmin):
    """Who looked at which fact of law, and when."""

    permissions = {"view": Permission.DOSSIER_READ}
    list_intro = _("Every look at a fact of law, newest first. Nothing is overwritten.")
    list_display = ["file", "key", "act", "grade", "reviewed_name", "reviewed_at"]
    list_filter = ["file", "act"]
    sortable_by = ()
    actions = None
    fields = [
        "file", "key", "act", "grade", "source", "changes", "ground", "reviewed_name",
        "reviewed_role", "reviewed_at", "record_id",
    ]  # fmt: skip

    def has_module_permission(self, request: HttpRequest) -> bool:
        """No line of its own: the page of the facts leads here."""
        return False

    def get_urls(self) -> list[Any]:
        """The facts themselves, and the form to look at one."""
        view = self.admin_site.admin_view
        return [
            path("facts/", view(require_GET(self.facts_page)), name="dossier_facts"),
            path(
                "facts/look/",
                view(require_http_methods(["GET", "POST"])(self.look)),
                name="dossier_fact",
            ),
            *super().get_urls(),
        ]

    def facts_page(self, request: HttpRequest) -> HttpResponse:
        """The rows of one file."""
        tenant = required_tenant(request)
        name = request.GET.get("file", "obligations")
        if name not in FILES:
            raise Http404
        now = timezone.now()
        rows = [(fact, words(fact), fact.is_stale(now)) for fact in lawbook(tenant).facts(name)]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Facts of law"),
            "opts": self.opts,
            "files": [(key, TITLES[key]) for key in TITLES],
            "file": name,
            "heading": TITLES[name],
            "rows": rows,
            "overdue": sum(stale for _fact, _words, stale in rows),
            "may_review": tenant.may(Permission.DECLARE),
        }
        return TemplateResponse(request, "admin/dossier/facts/facts.html", context)

    def look(self, request: HttpRequest) -> HttpResponse:
        """Confirm or change one row."""
        tenant = required_tenant(request)
        tenant.require(Permission.DECLARE)
        file, key = request.GET.get("file", ""), request.GET.get("key", "")
        fact = lawbook(tenant).find(file, key)
        if fact is None:
            raise Http404
        form = ReviewForm(fact, request.POST or None)
        if request.method == "POST" and form.is_valid():
            given = {name: form.cleaned_data[name] for name in ("grade", "source", "ground")}
            try:
                made = review(tenant, file=file, key=key, changes=form.changes(), **given)
            except ValidationError as refusal:
                form.add_error(None, ValidationError(refusal.messages))
            else:
                note = (
                    _("The row is confirmed.")
                    if made.act == "confirmed"
                    else _("The row stands as you changed it.")
                )
                messages.success(request, note)
                return redirect(f"{reverse('admin:dossier_facts')}?file={file}")
        context = {
            **self.admin_site.each_context(request),
            "title": words(fact),
            "opts": self.opts,
            "fact": fact,
            "heading": TITLES[fact.file],
            "form": form,
            "reviews": FactReview.objects.for_tenant(tenant).filter(file=file, key=key)[:20],
        }
        return TemplateResponse(request, "admin/dossier/facts/look.html", context)
