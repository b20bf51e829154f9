"""The first ``.env`` of a production instance: ``.env.example`` with fresh secrets filled in.

``python -m lexcustis.fresh_env lexcustis.example.org > .env``
"""

from __future__ import annotations

import base64
import re
import secrets
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
_EXAMPLE_HOST = "lexcustis.example.org"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def new_vault_key(identifier: str) -> str:
    """An entry for ``VAULT_KEYS``: the identifier and 32 fresh random bytes."""
    return f"{identifier}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def fresh_env(host: str, example: str) -> str:
    """The text of ``.env`` for the instance reached under *host*."""
    fresh = {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "VAULT_KEYS": new_vault_key("k1"),
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "WEB_DATABASE_PASSWORD": secrets.token_hex(24),
        "SEALER_DATABASE_PASSWORD": secrets.token_hex(24),
        "METRICS_TOKEN": secrets.token_urlsafe(32),
    }
    text = example.replace(_EXAMPLE_HOST, host)
    for name, value in fresh.items():
        text = text.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    return text


def main(arguments: list[str]) -> int:
    """Print the file; 2 where the host name is missing or none."""
    if len(arguments) != 1 or not _HOST.fullmatch(arguments[0]):
        sys.stderr.write("usage: python -m lexcustis.fresh_env HOST-NAME > .env\n")
        return 2
    sys.stdout.write(fresh_env(arguments[0], EXAMPLE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
