"""The form that makes an API key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.roles import Permission
from orgs.tenancy import Tenant

_LIFETIMES = [("30", _("30 days")), ("90", _("90 days")), ("365", _("1 year")), ("", _("No end"))]


class KeyForm(forms.Form):
    """What a key is for, what it may do, and until when."""

    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("What the key is for, such as “invoice bot”.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"), widget=forms.CheckboxSelectMultiple
    )
    days = forms.ChoiceField(label=_("Ends after"), choices=_LIFETIMES, required=False)

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        granted = [permission for permission in Permission if tenant.may(permission)]
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (permission.value, permission.label) for permission in granted
        ]
        self.fields["scopes"].initial = [p.value for p in granted if p is Permission.CHAT]
        self.fields["days"].initial = "90"

    def values(self) -> dict[str, Any]:
        """The arguments of :func:`orgs.keys.create_key`."""
        days = self.cleaned_data["days"]
        return {
            "name": self.cleaned_data["name"],
            "scopes": [Permission(scope) for scope in self.cleaned_data["scopes"]],
            "expires_at": timezone.now() + timedelta(days=int(days)) if days else None,
        }
