"""The admin site: the stock admin with our theme, our dashboard and our rules of access."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.http import HttpRequest


class LexCustisAdminSite(AdminSite):
    """The admin of one organisation at a time."""

    site_title = "Lex Custis"
    site_header = "Lex Custis"
    index_title = "Are we all right?"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the person works in the admin at all."""
        return bool(request.user.is_active and getattr(request.user, "is_staff", False))
