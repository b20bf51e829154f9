"""The Content-Security-Policy of every page, the admin included.

Nothing inline, nothing from elsewhere: hostile text is read in these pages. Model output can
therefore load no image and run no script, whatever a renderer lets through.
"""

from typing import Any

POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
