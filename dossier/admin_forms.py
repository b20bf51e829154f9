"""The forms of the admin's dossier pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from dossier.catalogue import Item
from dossier.languages import Language
from dossier.models import Declaration, Dossier, DossierSchedule, Kind
from orgs.tenant_admin import DomainForm


def _further_languages() -> forms.TypedMultipleChoiceField:
    return forms.TypedMultipleChoiceField(
        label=_("Further languages"),
        choices=Language.choices,
        coerce=str,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Each gives one more PDF with the same content in the same bundle."),
    )


class DossierForm(DomainForm):
    """Kind, period and languages of a new dossier."""

    further_languages = _further_languages()

    class Meta:
        model = Dossier
        fields = ["kind", "period_start", "period_end", "language", "further_languages"]
        widgets = {
            "kind": forms.RadioSelect,
            "period_start": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "period_end": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            self.fields["kind"].choices = Kind.choices  # type: ignore[attr-defined]

    def _get_validation_exclusions(self) -> set[str]:
        # A dossier that exists is not an error: asking for it again leads to it.
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions | {"organisation"}


class ScheduleForm(DomainForm):
    """What is made for every full month."""

    further_languages = _further_languages()

    class Meta:
        model = DossierSchedule
        fields = ["kind", "language", "further_languages", "is_enabled", "catch_up_months"]


class DeclarationForm(DomainForm):
    """One statement. Which one stands in the address; help and example are the catalogue's."""

    item: Item | None = None

    class Meta:
        model = Declaration
        fields = ["key", "subject", "value"]
        widgets = {
            "key": forms.HiddenInput,
            "subject": forms.HiddenInput,
            "value": forms.Textarea(attrs={"rows": 5}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.item is None:
            return
        value = self.fields["value"]
        value.label = self.item.label
        value.help_text = _("%(help)s Example: “%(example)s”") % {
            "help": self.item.help,
            "example": self.item.example,
        }
        if self.item.form == "date":
            value.widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        elif self.item.form == "number":
            value.widget = forms.TextInput(attrs={"inputmode": "decimal"})
        if self.item.choices:
            self.fields["value"] = forms.ChoiceField(
                choices=[(choice, choice) for choice in self.item.choices],
                widget=forms.RadioSelect,
                label=value.label,
                help_text=value.help_text,
            )
