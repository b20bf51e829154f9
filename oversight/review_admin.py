"""The admin of reviews: what waits, one review to read and decide, and figures on reviewers."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from llm.markdown import render
from llm.regions import region_of
from orgs.admin_lists import IdentifiedModelAdmin, badge, name_column, time_column
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.tenant_admin import required_tenant
from oversight.models import Review
from oversight.review_figures import DAYS, HASTY_SECONDS, figures_of
from oversight.review_form import DecisionForm
from oversight.reviews import Exchange, exchange_of, find_review, next_review, take_up

_State = Review.State
_TONES: dict[str, str] = {
    _State.WAITING: "warn",
    _State.ACCEPTED: "good",
    _State.MODIFIED: "good",
    _State.REJECTED: "bad",
}
_PAGE = "admin:oversight_review_change"
_LIST = "admin:oversight_review_changelist"


@admin.register(Review)
class ReviewAdmin(IdentifiedModelAdmin):
    """Reviews: those that wait come first. A review is taken up and decided, never edited."""

    permissions: ClassVar = {"view": Permission.REVIEW}
    list_intro = _(
        "Somebody asks that a person looks at an answer they got. Take a review up to read "
        "question and answer; from then on the time until your decision counts."
    )
    list_display = [
        time_column("requested_at", _("asked")),
        name_column("requested_by", _("by")),
        "shown_model",
        "shown_state",
        name_column("reviewer", _("reviewer")),
        "shown_seconds",
    ]
    list_filter = ["state"]
    list_select_related = ["inference", "requested_by", "reviewer"]
    identifier_fields = ("pk", "decision_id")

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Waiting ones, oldest first; then those in hand; then decided ones, newest first."""
        rank = models.Case(
            models.When(state=_State.WAITING, then=0),
            models.When(state=_State.TAKEN, then=1),
            default=2,
        )
        asked = models.Case(models.When(decided_at=None, then="requested_at"))
        return [rank, asked.asc(nulls_last=True), models.F("decided_at").desc(nulls_first=True)]

    @admin.display(description=_("model"))
    def shown_model(self, row: Review) -> str:
        """The model that answered."""
        return row.inference.response_model or row.inference.requested_model

    @admin.display(description=_("state"))
    def shown_state(self, row: Review) -> str:
        """Whether somebody has to look, or how it was decided."""
        return badge(_TONES.get(row.state, ""), row.get_state_display())

    @admin.display(description=_("time taken"))
    def shown_seconds(self, row: Review) -> str:
        """Seconds from taking it up to the decision."""
        return "" if row.seconds is None else f"{row.seconds}\N{NO-BREAK SPACE}s"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, beneath what the last decisions say of how they were made."""
        figures = figures_of(required_tenant(request)) if self._may(request, "view") else []
        context = {
            "figures": figures,
            "days": DAYS,
            "hasty_seconds": HASTY_SECONDS,
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    # -- One review ------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Also addresses for taking a review up and for deciding it."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/take/", view(require_POST(self.take)), name="oversight_review_take"),
            path(
                "<uuid:pk>/decide/", view(require_POST(self.decide)), name="oversight_review_decide"
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One review: the texts only for who has it in hand, or asked for it and got it back."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied("A review is decided, not changed.")
        tenant, row = self._found(request, object_id)
        return self._page(request, tenant, row)

    def take(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Take it up, or over."""
        tenant, row = self._found(request, pk)
        try:
            take_up(tenant, row)
        except ValidationError as refusal:
            self.message_user(request, " ".join(refusal.messages), "ERROR")
        return redirect(_PAGE, row.pk)

    def decide(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Decide, and go on to the next one that waits; the form once more where it is refused."""
        tenant, row = self._found(request, pk)
        form = DecisionForm(request.POST)
        if form.carried_out(tenant, row):
            return self._go_on(request, tenant)
        row = find_review(tenant, row.pk)
        if not _is_in_hand(tenant, row):
            # Decided or taken over meanwhile: the texts are no longer theirs to read.
            self.message_user(request, " ".join(map(str, form.non_field_errors())), "ERROR")
            return redirect(_PAGE, row.pk)
        return self._page(request, tenant, row, form)

    def _go_on(self, request: HttpRequest, tenant: Tenant) -> HttpResponse:
        following = next_review(tenant)
        if following is None:
            self.message_user(request, _("The decision is on record. No other review waits."))
            return redirect(_LIST)
        self.message_user(request, _("The decision is on record. This is the next review."))
        return redirect(_PAGE, following.pk)

    def _found(self, request: HttpRequest, pk: object) -> tuple[Tenant, Review]:
        tenant = required_tenant(request)
        tenant.require(Permission.REVIEW)
        return tenant, find_review(tenant, self.get_object(request, str(pk)).pk)

    def _page(
        self, request: HttpRequest, tenant: Tenant, row: Review, form: DecisionForm | None = None
    ) -> HttpResponse:
        is_own = row.requested_by_id == tenant.user.pk
        in_hand = _is_in_hand(tenant, row)
        is_read = row.reviewer_id == tenant.user.pk or (is_own and row.is_decided)
        exchange = exchange_of(tenant, row) if is_read else None
        if in_hand and form is None and exchange is not None:
            form = DecisionForm(initial={"correction": exchange.answer or ""})
        inference = row.inference
        context = {
            **self.admin_site.each_context(request),
            "title": _now("Review"),
            "opts": self.opts,
            "review": row,
            "tone": _TONES.get(row.state, ""),
            "model": self.shown_model(row),
            "region": region_of(inference.data_region).name if inference.data_region else "",
            "is_own": is_own,
            "in_hand": in_hand,
            "exchange": exchange,
            "shown": _shown(exchange),
            "form": form if in_hand else None,
        }
        response = TemplateResponse(request, "admin/oversight/review.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response


def _shown(exchange: Exchange | None) -> dict[str, str]:
    """Answer and correction as the chat shows an answer: safe HTML."""
    if exchange is None:
        return {}
    return {
        "answer": render(exchange.answer or ""),
        "correction": render(exchange.correction or ""),
    }


def _is_in_hand(tenant: Tenant, row: Review) -> bool:
    return row.state == _State.TAKEN and row.reviewer_id == tenant.user.pk
