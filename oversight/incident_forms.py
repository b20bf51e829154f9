"""The forms of an incident: entering it, and one form for each step that can come next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from llm.models import ProviderSettings
from orgs.systems import systems_of
from orgs.tenancy import Tenant
from orgs.tenant_admin import DomainForm
from oversight import incidents
from oversight.act_forms import ActForm
from oversight.form_fields import CountryField, MomentField, RecordsField
from oversight.incidents import FIELDS, MOST_CHARACTERS, MOVES, REPORTABLE, frozen_by
from oversight.models import Category, Incident

Words = str | Promise
_Status = Incident.Status
_KNOWN = [
    "category", "is_death", "is_widespread", "severity", "causal_link", "occurred_at", "aware_at",
    "country", "persons_affected", "system",
]  # fmt: skip


def _why(label: Any = "", help_text: Any = "", rows: int = 3) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows})
    return forms.CharField(
        label=label or _("Reason"),
        help_text=help_text,
        max_length=MOST_CHARACTERS,
        widget=widget,
    )


class KnownForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is known of an incident, as fields that every part of the page words alike."""

    category = forms.ChoiceField(
        label=_("It led to"),
        required=False,
        choices=[("", _("Not assessed yet")), *Category.choices],
        help_text=_("Not assessed: the clock runs as for the shortest case, 48 hours."),
    )
    occurred_at = MomentField(label=_("Occurred"), required=False)
    aware_at = MomentField(
        label=_("Became aware"),
        help_text=_("When the organisation learnt of it. The clock runs from then."),
    )
    country = CountryField(
        label=_("Member State"),
        required=False,
        max_length=2,
        min_length=2,
        help_text=_(
            "Where it occurred: its authority is the one to tell. Two letters, for instance: DE"
        ),
    )

    class Meta:
        model = Incident
        fields = _KNOWN

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["system"].empty_label = _("Not known")  # type: ignore[attr-defined]

    def _get_validation_exclusions(self) -> set[str]:
        # The domain says in words what the database's constraint would say by its name.
        return {*super()._get_validation_exclusions(), "is_death"}  # type: ignore[misc]


class EnterForm(KnownForm, DomainForm):
    """A new incident: what happened, and what is known of it already."""

    description = _why(
        _("What happened"),
        _(
            "In your own words: what the system said or did, what followed from it, who is "
            "concerned. Kept encrypted beside the log."
        ),
        rows=6,
    )
    record_ids = RecordsField(
        label=_("Records of the audit log"),
        required=False,
        help_text=_("Identifiers or addresses of the records that show it; at most 50."),
    )


class AssessForm(ActForm, KnownForm):
    """What it is, judged again."""

    reason = _why(_("Why you judge it so"))

    def perform(self, tenant: Tenant, incident: Incident) -> None:
        """Only what somebody touched: the rest stays as exact as it is."""
        said = self.cleaned_data
        touched = {name: said[name] for name in self.changed_data if name in FIELDS}
        incidents.assess(tenant, incident, reason=said["reason"], **touched)


class InformForm(ActForm, forms.Form):
    """The provider of the system was informed."""

    informed_at = MomentField(label=_("Informed"), initial=timezone.now)
    statement = _why(
        _("Whom, and how"), _("For instance: the vendor's security contact, by e-mail, case 4711.")
    )

    def perform(self, tenant: Tenant, incident: Incident) -> None:
        """Note it."""
        incidents.inform_provider(tenant, incident, **self.cleaned_data)


class ReportForm(ActForm, forms.Form):
    """A report went to the authority."""

    is_complete = forms.TypedChoiceField(
        label=_("Report"),
        choices=[
            ("no", _("Initial, not complete yet (Art. 73(5))")),
            ("yes", _("Complete")),
        ],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    sent_at = MomentField(label=_("Sent"), initial=timezone.now)
    authority = forms.CharField(
        label=_("Authority"),
        max_length=200,
        help_text=_("The market surveillance authority of the Member State where it occurred."),
    )
    reference = forms.CharField(label=_("Authority's reference"), max_length=100, required=False)
    statement = _why(_("What was reported"), _("In a sentence or two; the report is sent by you."))

    def __init__(self, *arguments: Any, incident: Incident, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if incident.status == _Status.INITIAL_REPORT_SENT:
            field: Any = self.fields["is_complete"]
            field.choices, field.initial = [("yes", _("Complete"))], "yes"

    def perform(self, tenant: Tenant, incident: Incident) -> None:
        """Note it."""
        incidents.report(tenant, incident, **self.cleaned_data)


class FreezeForm(ActForm, forms.Form):
    """Which providers' settings nobody may change for now."""

    providers: Any = forms.ModelMultipleChoiceField(
        label=_("Frozen"),
        queryset=None,  # the organisation's own, given with the form
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Without a tick the freeze is lifted. Switching off stays possible."),
    )
    reason = _why()

    def __init__(self, *arguments: Any, rows: QuerySet[ProviderSettings], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["providers"].queryset = rows  # type: ignore[attr-defined]

    def perform(self, tenant: Tenant, incident: Incident) -> None:
        """Freeze these and no others."""
        ids = [row.pk for row in self.cleaned_data["providers"]]
        reason = self.cleaned_data["reason"]
        incidents.freeze(tenant, incident, provider_ids=ids, reason=reason)


class AttachForm(ActForm, forms.Form):
    """Further records as evidence."""

    record_ids = RecordsField(
        label=_("Records of the audit log"),
        help_text=_("Identifiers, or addresses of their pages; at most 50 in all."),
    )
    reason = _why(_("What they show"))

    def perform(self, tenant: Tenant, incident: Incident) -> None:
        """Name them."""
        incidents.attach(tenant, incident, **self.cleaned_data)


class MoveForm(ActForm, forms.Form):
    """Where it goes from here."""

    status = forms.ChoiceField(label=_("Move to"), widget=forms.RadioSelect)
    reason = _why()

    def __init__(self, *arguments: Any, incident: Incident, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["status"].choices = [  # type: ignore[attr-defined]
            (status, _move_words(incident, status)) for status in MOVES[incident.status]
        ]

    def perform(self, tenant: Tenant, incident: Incident) -> None:
        """Move it."""
        incidents.move(tenant, incident, **self.cleaned_data)


def _move_words(incident: Incident, status: str) -> Words:
    if status == _Status.UNDER_REVIEW and incident.is_over:
        return _("Take it up again")
    words: dict[str, Words] = {
        _Status.UNDER_REVIEW: _("Under review: somebody looks at it"),
        _Status.NOT_SERIOUS: _("Not serious: none of Art. 3(49), nothing to report"),
        _Status.RESOLVED: _("Resolved: the cause is dealt with"),
        _Status.CLOSED: _("Closed: nothing more is to be done"),
    }
    return words[status]


# -- Which steps an incident can take ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Act:
    """One step as the page offers it; ``is_open`` for the one that usually comes next."""

    name: str
    title: Words
    said: Words
    button: Words
    form: forms.BaseForm
    is_open: bool


_TITLES: Mapping[str, tuple[Words, Words, Words]] = {
    "assess": (
        _("Assess"),
        _("Say what it is. The clock is computed anew from what you say."),
        _("Note the assessment"),
    ),
    "inform": (
        _("Inform the provider"),
        _(
            "A deployer of a high-risk system informs the system's provider first, immediately, "
            "then importer or distributor and the authority (Art. 26(5))."
        ),
        _("Note that it was informed"),
    ),
    "report": (
        _("Report to the authority"),
        _(
            "Lex Custis sends nothing to an authority: send the report, then note it here. An "
            "initial report that is not complete keeps the time; the complete one follows."
        ),
        _("Note the report"),
    ),
    "freeze": (
        _("Freeze providers"),
        _(
            "Until the authority is informed, what could affect a later evaluation of the causes "
            "is not altered (Art. 73(6)): nobody can change a frozen provider's settings."
        ),
        _("Set the freeze"),
    ),
    "attach": (
        _("Attach records"),
        _("Name records of the audit log that belong to it."),
        _("Attach"),
    ),
    "move": (_("Move on"), _("Each move takes a reason."), _("Move it")),
}


class Acts:
    """The steps that fit an incident as it stands; made for one page, or for one step taken."""

    names: ClassVar = tuple(_TITLES)

    def __init__(self, tenant: Tenant, incident: Incident) -> None:
        self.tenant, self.incident = tenant, incident
        self.frozen = frozen_by(tenant, incident)
        # What another incident froze stays as it is.
        free = Q(frozen_because_of=None) | Q(frozen_because_of=incident.pk)
        self.providers = ProviderSettings.objects.for_tenant(tenant).filter(free).order_by("name")

    def offers(self, name: str) -> bool:
        """Whether the step fits the incident's status."""
        row = self.incident
        fitting = {
            "assess": not row.is_over,
            "inform": not row.is_over,
            "report": row.status in REPORTABLE and row.category != Category.NONE,
            "freeze": bool(self.frozen) or (not row.is_over and self.providers.exists()),
            "attach": row.status != _Status.CLOSED,
            "move": bool(MOVES[row.status]),
        }
        return fitting.get(name, False)

    def next(self) -> str:
        """The step that usually comes next."""
        row = self.incident
        if row.status == _Status.OPEN:
            return "assess"
        if row.status == _Status.INITIAL_REPORT_SENT:
            return "report"
        if row.status == _Status.UNDER_REVIEW and row.category != Category.NONE:
            return "report" if row.provider_informed_at else "inform"
        return "move"

    def form(self, name: str, data: Any = None) -> Any:
        """The form of a step, with what was sent where something was."""
        options: dict[str, Any] = {"data": data, "auto_id": f"id_{name}_%s"}
        row = self.incident
        if name == "assess":
            # A copy: a form that is refused must not change what the page shows of the incident.
            own = Incident.objects.for_tenant(self.tenant).get(pk=row.pk)
            form = AssessForm(instance=own, **options)
            form.fields["system"].queryset = systems_of(self.tenant)  # type: ignore[attr-defined]
            return form
        if name == "freeze":
            frozen = {"providers": self.frozen}
            return FreezeForm(rows=self.providers, initial=frozen, **options)
        if name == "report":
            said = {"authority": row.authority, "reference": row.reference}
            return ReportForm(incident=row, initial=said, **options)
        if name == "move":
            return MoveForm(incident=row, **options)
        return {"inform": InformForm, "attach": AttachForm}[name](**options)

    def all(self, refused: Mapping[str, Any] | None = None) -> list[Act]:
        """Every step on offer; those in *refused* with what was typed, and open."""
        refused = refused or {}
        opened = next(iter(refused), self.next())
        return [
            Act(name, *_TITLES[name], refused.get(name) or self.form(name), name == opened)
            for name in self.names
            if self.offers(name)
        ]
