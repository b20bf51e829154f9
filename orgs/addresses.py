"""Whole addresses of this instance's pages, for mails and links."""

from __future__ import annotations

from django.conf import settings


def absolute(path: str) -> str:
    """The address of *path* (from its slash on), as people outside reach it."""
    return f"{settings.PUBLIC_URL or 'https://' + settings.LEDGER_HOST}{path}"
