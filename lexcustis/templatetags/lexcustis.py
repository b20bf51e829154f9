"""Tags that every page may use."""

from __future__ import annotations

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of our icons (``static/lexcustis/icons.svg``): decoration, so hidden from screen readers.

    Whatever it means is also said in words beside it.
    """
    source = static("lexcustis/icons.svg")
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        source,
        name,
    )


@register.filter
def initials(name: str) -> str:
    """The first letters of the first and the last word of a name, for its round mark."""
    words = [word for word in name.split() if word[:1].isalpha()]
    letters = [word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    return "".join(letters).upper() or "?"
