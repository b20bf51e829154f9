"""The admin's forms for organisations, members, API keys and people."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from orgs.models import ApiKey, Membership, Organisation, User
from orgs.roles import Permission, Role
from orgs.tenant_admin import DomainForm

REGIONS = [
    ("EU", _("European Union: any member state")),
    ("self-hosted", _("Self-hosted: on machines of your own")),
    ("US", _("United States: needs a ground for the transfer (GDPR Arts 44-49)")),
    ("unknown", _("Not known: the provider does not say where")),
]
_NAMED = [code for code, _label in REGIONS]


def _time_zones() -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones())]


class OrganisationForm(DomainForm):
    """One's own organisation."""

    regions = forms.MultipleChoiceField(
        label=_("Allowed regions"),
        choices=REGIONS,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "A provider elsewhere never receives a byte, and there is no silent fallback. "
            "Everything else is refused and the refusal is recorded."
        ),
    )
    further_countries = forms.CharField(
        label=_("Further countries"),
        required=False,
        help_text=_("Two-letter codes separated by commas, for instance: CH, JP."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=_time_zones,
        help_text=_("In which the admin shows times. The audit log itself is in UTC."),
    )

    class Meta:
        model = Organisation
        fields = ["name", "slug", "legal_name", "register_number", "country", "language", "notice"]
        widgets = {"notice": forms.Textarea(attrs={"rows": 4})}
        help_texts = {
            "notice": _(
                "Shown above every chat, before the first message. Art. 50(1) of Regulation (EU) "
                "2024/1689: people must learn that they talk to an AI system. Example: “You are "
                "talking to an AI system of Acme GmbH. Its answers can be wrong.”"
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = self.instance.allowed_regions
        self.initial["regions"] = [code for code in allowed if code in _NAMED]
        further = [code for code in allowed if code not in _NAMED]
        self.initial["further_countries"] = ", ".join(further)

    def clean_country(self) -> str:
        """Codes are written in capitals."""
        country: str = self.cleaned_data["country"]
        return country.upper()

    def clean_further_countries(self) -> list[str]:
        """The codes, each once."""
        codes = re.split(r"[\s,;]+", self.cleaned_data["further_countries"].upper().strip(" ,;"))
        wrong = [code for code in codes if code and not re.fullmatch("[A-Z]{2}", code)]
        if wrong:
            raise ValidationError(
                _("%(codes)s: a country code has two letters, for instance CH."),
                params={"codes": ", ".join(wrong)},
            )
        return sorted({code for code in codes if code} - set(_NAMED))

    def clean(self) -> dict[str, Any]:
        """Join the two ways to name a region."""
        values = super().clean() or self.cleaned_data
        values["regions"] = [*values.get("regions", []), *values.get("further_countries", [])]
        if not values["regions"] and "further_countries" not in self.errors:
            self.add_error("regions", _("Without any region nobody could use a model."))
        return values


class FoundingForm(DomainForm):
    """A new organisation, on the word of the operator."""

    administrator_email = forms.EmailField(
        label=_("E-mail address"),
        help_text=_("They get a mail with a link to set their password."),
    )
    administrator_name = forms.CharField(label=_("Name"), max_length=200)

    class Meta:
        model = Organisation
        fields = ["name", "slug"]


ROLES_EXPLAINED = [
    (Role.MEMBER, _("Member: chats")),
    (Role.REVIEWER, _("Reviewer: chats, reads the audit log, reviews answers, handles incidents")),
    (
        Role.COMPLIANCE_OFFICER,
        _("Compliance officer: the audit log, dossiers, oversight, pausing the organisation"),
    ),
    (Role.ADMINISTRATOR, _("Administrator: members, providers, keys, the organisation")),
    (Role.AUDITOR, _("Auditor: reads the audit log and dossiers, nothing else")),
]


class MemberForm(DomainForm):
    """The role of a member."""

    role = forms.ChoiceField(label=_("Role"), choices=ROLES_EXPLAINED, widget=forms.RadioSelect)

    class Meta:
        model = Membership
        fields = ["role"]


class NewMemberForm(DomainForm):
    """Somebody new in the organisation."""

    email = forms.EmailField(
        label=_("E-mail address"),
        help_text=_("They get a mail with the way in: a link to set a password, or to sign in."),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=200,
        help_text=_("For somebody who has an account here already, the name there stays."),
    )
    role = forms.ChoiceField(
        label=_("Role"), choices=ROLES_EXPLAINED, widget=forms.RadioSelect, initial=Role.MEMBER
    )

    class Meta:
        model = Membership
        fields: list[str] = []


class KeyForm(DomainForm):
    """A new API key."""

    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(permission.value, permission.label) for permission in Permission],
        widget=forms.CheckboxSelectMultiple,
        initial=[Permission.CHAT.value],
        help_text=_("What the key may do: never more than you, its owner, may do at the time."),
    )

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "expires_at"]
        help_texts = {
            "name": _("What the key is for, for instance: nightly import."),
            "expires_at": _("Empty: it works until it is revoked."),
        }


class PersonForm(DomainForm):
    """A person whom the instance knows."""

    class Meta:
        model = User
        fields = ["name", "email", "is_active", "is_superuser"]
        labels = {"is_superuser": _("Operator")}
        help_texts = {
            "is_active": _("Somebody who is locked cannot sign in, and their keys open nothing."),
            "is_superuser": _(
                "Manages organisations and people. Sees nothing of what happens inside an "
                "organisation without being a member there, and that is recorded."
            ),
        }


class NewPersonForm(DomainForm):
    """A person whom the instance does not know yet."""

    way_in = forms.ChoiceField(
        label=_("Way in"),
        choices=[
            ("mail", _("Send a mail with a link to set a password")),
            ("password", _("Show an initial password once, to hand over")),
        ],
        widget=forms.RadioSelect,
        initial="mail",
    )

    class Meta:
        model = User
        fields = ["email", "name"]
