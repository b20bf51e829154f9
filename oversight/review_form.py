"""The form by which a reviewer decides."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from orgs.tenancy import Tenant
from oversight.act_forms import ActForm
from oversight.models import Review
from oversight.reviews import MOST_CHARACTERS, decide, reasons_for

_State = Review.State


def _reasons() -> list[Any]:
    """The reasons under the decisions that they fit; nothing is chosen."""
    return [
        ("", _("Choose a reason")),
        (_("To accept"), reasons_for(_State.ACCEPTED)),
        (_("To modify or to reject"), reasons_for(_State.REJECTED)),
    ]


class DecisionForm(ActForm, forms.Form):
    """Accept, modify or reject: no choice is made beforehand, and each takes a reason."""

    decision = forms.ChoiceField(
        label=_("Your decision"),
        choices=[
            (_State.ACCEPTED, _("Accept: the answer can be used as it is")),
            (_State.MODIFIED, _("Modify: it can be used as corrected below")),
            (_State.REJECTED, _("Reject: it must not be used")),
        ],
        widget=forms.RadioSelect,
    )
    reason = forms.ChoiceField(label=_("Reason"), choices=_reasons)
    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("To reject takes a sentence. Whoever asked reads it."),
    )
    correction = forms.CharField(
        label=_("Corrected answer"),
        required=False,
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text=_("Counts only where you modify. The answer itself stays as it was given."),
    )

    def perform(self, tenant: Tenant, review: Review) -> Review:
        """Decide."""
        return decide(tenant, review, **self.cleaned_data)
