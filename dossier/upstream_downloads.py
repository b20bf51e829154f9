"""Handing out what is kept of model makers: always as a file to save, never as a page of ours."""

from __future__ import annotations

from django.http import HttpResponse


def attachment(data: bytes, name: str, media: str) -> HttpResponse:
    """*data* to be saved under *name*; what is not a plain character in it becomes ``_``."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return HttpResponse(
        data,
        content_type=media,
        headers={
            "Content-Disposition": f'attachment; filename="{plain or "document"}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )
