"""The forms of the upstream register: a document, a request, what came back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dossier.upstream_documents import annex_xii_keys
from dossier.upstream_models import UpstreamDocument, UpstreamRequest
from dossier.upstream_requests import items
from orgs.tenant_admin import DomainForm


def _day(**attributes: Any) -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date", **attributes}, format="%Y-%m-%d")


def _with_https(field: models.Field[Any, Any], **arguments: Any) -> forms.Field | None:
    if isinstance(field, models.URLField):
        arguments["assume_scheme"] = "https"
    return field.formfield(**arguments)


def _annex_xii() -> list[tuple[str, str]]:
    labels = items()
    return [(key, labels[key]) for key in annex_xii_keys()]


class DocumentForm(DomainForm):
    """A document that somebody retrieved by hand."""

    upload = forms.FileField(
        label=_("File"),
        help_text=_(
            "The file as you retrieved it, at most 20 MB. This server fetches nothing by itself: "
            "that you looked, and when, is part of the evidence."
        ),
    )
    answers = forms.MultipleChoiceField(
        label=_("Items of Annex XII that it answers"),
        choices=_annex_xii,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Only what you found in it. An item without a tick stays open."),
    )

    class Meta:
        model = UpstreamDocument
        fields = [
            "model",
            "kind",
            "title",
            "publisher",
            "version",
            "url",
            "retrieved_on",
            "request",
            "is_confidential",
            "answers",
        ]
        widgets = {"retrieved_on": _day()}
        formfield_callback = _with_https


class RequestForm(DomainForm):
    """A request that was sent to a maker or host."""

    items = forms.MultipleChoiceField(
        label=_("Asked for"),
        choices=lambda: list(items().items()),
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = UpstreamRequest
        fields = ["model", "addressee", "channel", "asked_on", "items", "text"]
        widgets = {"asked_on": _day(), "text": forms.Textarea(attrs={"rows": 6})}


class AnswerForm(forms.Form):
    """What came back."""

    outcome = forms.ChoiceField(
        label=_("What came back"),
        choices=[
            (UpstreamRequest.Outcome.SUPPLIED, _("Documents came")),
            (UpstreamRequest.Outcome.REFUSED, _("They declined")),
        ],
        widget=forms.RadioSelect,
    )
    answered_on = forms.DateField(label=_("On"), widget=_day(), initial=timezone.localdate)
    answer = forms.CharField(
        label=_("In a few words"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_(
            "What was supplied, or the ground given. A refusal is printed with its ground. "
            "Example: Trade secret; a summary is offered under a confidentiality agreement."
        ),
    )
