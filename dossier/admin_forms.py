"""The forms of the admin's dossier pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dossier.catalogue import Item
from dossier.languages import Language
from dossier.models import Declaration, Dossier, DossierSchedule, Kind
from dossier.periods import Rhythm, full_periods_before, name_of_period, named_period
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
    """Kind, period and languages of a new dossier. A named period comes before the two days."""

    period = forms.ChoiceField(
        label=_("Period"),
        required=False,
        help_text=_("Where a month, quarter or year is chosen, the two days do not count."),
    )
    further_languages = _further_languages()

    class Meta:
        model = Dossier
        fields = ["kind", "period", "period_start", "period_end", "language", "further_languages"]
        widgets = {
            "kind": forms.RadioSelect,
            "period_start": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "period_end": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            self.fields["kind"].choices = Kind.choices  # type: ignore[attr-defined]
            self.fields["period"].choices = _offered_periods()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The days of the period that was chosen by name."""
        values: dict[str, Any] = super().clean() or {}
        if values.get("period"):
            values["period_start"], values["period_end"] = named_period(values["period"])
        return values

    def _get_validation_exclusions(self) -> set[str]:
        # A dossier that exists is not an error: asking for it again leads to it.
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions | {"organisation"}


def _offered_periods() -> list[tuple[str, Any]]:
    """Choices for a year back: full months, quarters and years, else the days that are given."""
    day = timezone.localdate()
    groups: list[tuple[str, Any]] = [("", _("the days below"))]
    for label, rhythm, count in (
        (_("Month"), Rhythm.MONTH, 12),
        (_("Quarter"), Rhythm.QUARTER, 4),
        (_("Year"), Rhythm.YEAR, 2),
    ):
        names = [name_of_period(*days) for days in full_periods_before(day, count, rhythm)]
        groups.append((str(label), [(name, name) for name in reversed(names)]))
    return groups


class ScheduleForm(DomainForm):
    """What is made by itself, and how often."""

    further_languages = _further_languages()

    class Meta:
        model = DossierSchedule
        fields = [
            "kind",
            "rhythm",
            "language",
            "further_languages",
            "is_enabled",
            "catch_up_months",
        ]
        widgets = {"rhythm": forms.RadioSelect}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "rhythm" in self.fields:
            self.fields["rhythm"].choices = Rhythm.choices  # type: ignore[attr-defined]
            self.fields["rhythm"].initial = Rhythm.MONTH
            self.fields["rhythm"].required = False

    def clean_rhythm(self) -> str:
        """Every month, where nothing is chosen."""
        return str(self.cleaned_data["rhythm"] or Rhythm.MONTH)


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
