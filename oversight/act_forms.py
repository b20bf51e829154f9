"""Forms of one act each: a form calls one function of the domain and shows what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from orgs.tenant_admin import errors_by_field

if TYPE_CHECKING:
    _Mixin = forms.BaseForm
else:
    _Mixin = object


class ActForm(_Mixin):
    """What every such form can do, whatever it is made of."""

    def perform(self, *arguments: Any) -> Any:
        """Call the function of the domain with what was typed."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does.")

    def carried_out(self, *arguments: Any) -> bool:
        """Do it where the form is valid; otherwise the form says what is wrong."""
        if not self.is_valid():
            return False
        try:
            self.perform(*arguments)
        except ValidationError as refusal:
            self._show(refusal)
            return False
        return True

    def _show(self, refusal: ValidationError) -> None:
        for field, errors in errors_by_field(refusal).items():
            # What is said of a field that nobody sees stands above the form.
            self.add_error(field if field in self.fields else None, errors)
