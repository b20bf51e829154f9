"""Fields of the forms of oversight: moments, records, countries."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class MomentField(forms.DateTimeField):
    """A moment to the minute, by the browser's own picker.

    What was stored to the microsecond and is sent back to the minute counts as untouched.
    """

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether it is another minute."""
        try:
            value = self.to_python(data)
        except ValidationError:
            return True
        return _to_minute(self.to_python(initial)) != _to_minute(value)


class RecordsField(forms.CharField):
    """Identifiers of records, or addresses of their pages, however they are separated."""

    widget = forms.Textarea(attrs={"rows": 2})

    def to_python(self, value: Any) -> list[UUID]:  # type: ignore[override]
        """The identifiers. Says which word holds none."""
        words = re.split(r"[\s,;]+", super().to_python(value) or "")
        return [_identifier(word) for word in words if word]

    def prepare_value(self, value: Any) -> Any:
        """One in a line."""
        return "\n".join(map(str, value)) if isinstance(value, list) else value


class CountryField(forms.CharField):
    """Two letters, capital or not."""

    def clean(self, value: Any) -> str:
        """In capitals."""
        return str(super().clean(value)).upper()


def _to_minute(value: datetime | None) -> datetime | None:
    return value and value.astimezone(timezone.get_current_timezone()).replace(
        second=0, microsecond=0
    )


def _identifier(word: str) -> UUID:
    found = _UUID.search(word)
    if found is None:
        said = _("“%(word)s” is no identifier of a record: it has 36 characters.")
        raise ValidationError(said % {"word": word[:60]})
    return UUID(found[0])
