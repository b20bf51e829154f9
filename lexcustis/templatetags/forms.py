"""Form fields in our look: label, help, input and errors that belong together for everybody."""

from __future__ import annotations

from typing import Any

from django import template
from django.forms import BaseForm, BoundField, CheckboxInput, RadioSelect
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
def form_fields(form: BaseForm) -> SafeString:
    """Errors of the form as a whole, then each of its fields."""
    parts = [str(field) for field in form.hidden_fields()]
    if form.non_field_errors():
        parts.append(
            format_html('<div class="note bad" role="alert">{}</div>', form.non_field_errors())
        )
    parts += [form_field(field) for field in form.visible_fields()]
    return mark_safe("".join(parts))  # noqa: S308 - each part is escaped above or by Django


@register.simple_tag
def form_field(field: BoundField) -> SafeString:
    """One field; its help and errors are tied to the input by ``aria-describedby``."""
    widget = field.field.widget
    is_check = isinstance(widget, CheckboxInput)
    is_group = isinstance(widget, RadioSelect)  # several boxes are one of its kinds
    attributes: dict[str, Any] = {"class": "choices" if is_group else "input"}
    if is_group:
        attributes |= {"role": "group", "aria-label": field.label}
        widget.option_inherits_attrs = False  # each box has a label of its own
    elif is_check:
        attributes = {}
    described = [f"{field.id_for_label}-help"] if field.help_text else []
    if field.errors:
        attributes["aria-invalid"] = "true"
        described.insert(0, f"{field.id_for_label}-errors")
    if described:
        attributes["aria-describedby"] = " ".join(described)
    return render_to_string(
        "_field.html",
        {
            "field": field,
            "is_check": is_check,
            "is_group": is_group,
            "input": field.as_widget(attrs=attributes),
        },
    )
