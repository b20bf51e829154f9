"""The admin's form for provider settings: each field says what it is for, with an example."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from llm.models import ProviderSettings
from llm.providers import registry
from orgs.roles import Role
from orgs.tenant_admin import DomainForm


def _vendors() -> list[tuple[str, str]]:
    return sorted(((v.key, v.name) for v in registry.vendors().values()), key=lambda v: v[1])


class ProviderForm(DomainForm):
    """Provider settings. The key goes in and never comes out again."""

    people: ClassVar[list[tuple[str, str]]] = []
    """Whom a rule may name: the page gives them, for its own organisation."""

    vendor = forms.ChoiceField(
        label=_("Vendor"),
        choices=_vendors,
        help_text=_("Whose interface is spoken. A server of your own is often OpenAI-compatible."),
    )
    new_key = forms.CharField(
        label=_("Key"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}
        ),
    )

    open_to_roles = forms.MultipleChoiceField(
        label=_("Open to roles"),
        choices=Role.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Where no role and no person is chosen, everybody who may chat may use it. Others are "
            "refused before anything is sent, and the refusal is recorded."
        ),
    )
    open_to_people = forms.TypedMultipleChoiceField(
        label=_("Open to people"),
        coerce=UUID,
        empty_value=[],
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 6}),
        help_text=_("Beside the roles. Several: hold Ctrl or Shift while choosing."),
    )

    class Meta:
        model = ProviderSettings
        fields = [
            "name",
            "vendor",
            "base_url",
            "default_model",
            "allowed_models",
            "data_region",
            "legal_entity",
            "transfer_mechanism",
            "transfer_checked_on",
            "training_use",
            "retention_at_provider",
            "priority",
            "timeout_seconds",
            "requests_per_minute",
            "open_to_roles",
            "open_to_people",
            "restricted_models",
            "options",
        ]
        widgets = {"options": forms.Textarea(attrs={"rows": 3})}
        help_texts = {
            "name": _("Shown to the people who chat, for instance: Mistral (Paris)."),
            "base_url": _(
                "Empty: the vendor's own address. Only public addresses are called, unless the "
                "operator allows a network. Example: https://llm.example.org/v1"
            ),
            "default_model": _("As the vendor names it, for instance: mistral-large-latest."),
            "allowed_models": _(
                "Separated by commas. Empty: only the default model. Others are refused."
            ),
            "data_region": _(
                "Where prompts are processed, by contract: EU, US, self-hosted, a country such as "
                "CH, or unknown. Compared with the organisation's allowed regions before every "
                "call, and printed in the data-flow statement (Art. 10)."
            ),
            "legal_entity": _(
                "The company you have the contract with, for instance: Mistral AI SAS, Paris. "
                "Named in the upstream documentation trail (Art. 53)."
            ),
            "transfer_mechanism": _(
                "On what ground data may leave the EU (GDPR Arts 44-49), for instance: adequacy "
                "decision (EU-US DPF), standard contractual clauses. Empty inside the EU."
            ),
            "transfer_checked_on": _("When somebody last looked whether that ground still holds."),
            "training_use": _(
                "Whether the contract lets the provider train on what is sent. Printed in "
                "dossiers as you declare it."
            ),
            "retention_at_provider": _(
                "How long the provider keeps prompts and answers (GDPR Art. 5(1)(e)), for "
                "instance: 30 days, zero retention agreed on 2026-03-01."
            ),
            "priority": _("The enabled provider with the lowest number is offered first."),
            "timeout_seconds": _(
                "How long to wait for the first and each further piece; five times as long for an "
                "answer that is asked for whole."
            ),
            "requests_per_minute": _(
                "How many requests a minute we send there at most. Empty: no limit of our own."
            ),
            "restricted_models": _(
                "Separated by commas. Empty: the choice above holds for the whole provider; "
                "else for these models only, and everybody may use the others."
            ),
            "options": _('For the vendor, as JSON, for instance: {"organisation": "acme"}.'),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "new_key" in self.fields:
            self.fields["new_key"].help_text = key_words(self.instance)
        if "open_to_people" in self.fields:
            self.fields["open_to_people"].choices = self.people  # type: ignore[attr-defined]


def key_words(row: ProviderSettings) -> str:
    """What is said about a key that is never shown."""
    if not row.key:
        return str(_("None is set. It is stored encrypted and never shown again."))
    ending = (
        _("ends in %(hint)s") % {"hint": row.key_hint}
        if row.key_hint
        else _("too short to show its end")
    )
    since = f"{row.key_changed_at:%Y-%m-%d}" if row.key_changed_at else "?"
    return str(
        _(
            "Set on %(since)s, %(ending)s. Leave empty to keep it. It is forgotten when the vendor "
            "or the base URL changes."
        )
        % {"since": since, "ending": ending}
    )
