"""The Content-Security-Policy of every page, the admin included.

Nothing inline, nothing from elsewhere: hostile text is read in these pages. Model output can
therefore load no image and run no script, whatever a renderer lets through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit


def policy(identity_providers: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The policy; a form may lead only here and to the configured OpenID Connect providers.

    Browsers apply ``form-action`` to the redirect that follows a form as well, so signing in at
    an identity provider needs its origin here.
    """
    return {
        "DIRECTIVES": {
            "default-src": ["'none'"],
            "script-src": ["'self'"],
            "style-src": ["'self'"],
            "img-src": ["'self'"],
            "font-src": ["'self'"],
            "connect-src": ["'self'"],
            "form-action": ["'self'", *_origins(identity_providers)],
            "frame-ancestors": ["'none'"],
            "base-uri": ["'none'"],
            "manifest-src": ["'self'"],
        }
    }


def _origins(identity_providers: Sequence[Mapping[str, Any]]) -> list[str]:
    addresses = [str(app.get("settings", {}).get("server_url", "")) for app in identity_providers]
    parts = [urlsplit(address) for address in addresses if address]
    return sorted({f"{part.scheme}://{part.netloc}" for part in parts})
