"""What every template may know."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def product(request: HttpRequest) -> dict[str, object]:
    """The product's version and whether this is the demo."""
    return {"product_version": settings.VERSION, "is_demo": settings.DEMO}
