"""System checks: what would be unsafe in production is refused at the start, by name.

``lexcustis.E…`` stop every command; ``lexcustis.W…`` are shown. All have a hint that says what to
do, and all are described in ``docs/operations.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured

from lexcustis.embedded import is_embedded
from lexcustis.libraries import INSTALL_HINT, missing_pdf_libraries
from orgs.vault import instance_keys

_SHORTEST_SECRET_KEY = 50
_FEWEST_CHARACTERS = 5


def register_checks() -> None:
    """Have Django run the checks of this module."""
    register(production, Tags.security)
    register(system, Tags.compatibility)
    register(deployment, Tags.security, deploy=True)


def production(
    app_configs: Sequence[AppConfig] | None = None, **_options: Any
) -> list[CheckMessage]:
    """Outside the demo nothing runs with the demo's servers, secrets or with DEBUG."""
    messages = [*_vault_keys(), *_object_storage()]
    if settings.DEMO:
        return messages
    if is_embedded(settings.DATABASES["default"]) or is_embedded(settings.REDIS_URL):
        messages.append(
            Error(
                "The bundled PostgreSQL or Valkey serves a real instance.",
                hint="They are for the demo and the tests: set DATABASE_URL and REDIS_URL.",
                id="lexcustis.E001",
            )
        )
    if not _is_strong(settings.SECRET_KEY):
        messages.append(
            Error(
                "SECRET_KEY is short, simple or the demo's.",
                hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe(64))'",
                id="lexcustis.E002",
            )
        )
    if settings.DEBUG:
        messages.append(
            Error(
                "DEBUG is on: error pages would show settings and data.",
                hint="Unset DEBUG, or set LEXCUSTIS_DEMO=1 on a developer's machine.",
                id="lexcustis.E004",
            )
        )
    return messages


def _vault_keys() -> list[CheckMessage]:
    hint = "Make one with: python manage.py vaultkey"
    try:
        keys = instance_keys()
    except (ImproperlyConfigured, ValueError):
        return [Error("VAULT_KEYS cannot be read.", hint=hint, id="lexcustis.E003")]
    if not settings.DEMO and any(_is_simple(key) for key in keys.values()):
        return [Error("VAULT_KEYS holds a guessable key.", hint=hint, id="lexcustis.E003")]
    return []


def _object_storage() -> list[CheckMessage]:
    if not settings.S3["S3_BUCKET"] or (find_spec("storages") and find_spec("boto3")):
        return []
    return [
        Error(
            "S3_BUCKET is set, and what speaks to object storage is not installed.",
            hint="Install it: pip install --require-hashes -r requirements-s3.txt",
            id="lexcustis.E006",
        )
    ]


def system(app_configs: Sequence[AppConfig] | None = None, **_options: Any) -> list[CheckMessage]:
    """What the machine lacks for a part of the product to work."""
    missing = missing_pdf_libraries()
    if not missing:
        return []
    return [
        Warning(
            f"Dossiers cannot be rendered: the system lacks {', '.join(missing)}.",
            hint=INSTALL_HINT,
            id="lexcustis.W001",
        )
    ]


def deployment(
    app_configs: Sequence[AppConfig] | None = None, **_options: Any
) -> list[CheckMessage]:
    """What ``check --deploy`` adds: the instance is meant for the world."""
    messages: list[CheckMessage] = []
    if settings.DEMO:
        messages.append(
            Error(
                "This is the demo: its passwords and keys are public.",
                hint="Unset LEXCUSTIS_DEMO and set what .env.example names.",
                id="lexcustis.E005",
            )
        )
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        messages.append(
            Warning(
                "No mail is sent: reminders and password resets go to the program's log.",
                hint="Set EMAIL_URL, for instance smtp+tls://user:password@mail.example.org:587.",
                id="lexcustis.W002",
            )
        )
    if not settings.METRICS_TOKEN:
        messages.append(
            Warning(
                "METRICS_TOKEN is not set: /metrics answers only to this machine.",
                hint="Set it where Prometheus runs elsewhere; else silence this check.",
                id="lexcustis.W003",
            )
        )
    if settings.S3["S3_BUCKET"] and settings.S3["S3_ENDPOINT_URL"].startswith("http:"):
        messages.append(
            Warning(
                "Dossiers travel to the object storage without TLS.",
                hint="Give S3_ENDPOINT_URL as https://…; in a closed network silence this check.",
                id="lexcustis.W004",
            )
        )
    return messages


def _is_strong(secret: str) -> bool:
    return (
        len(secret) >= _SHORTEST_SECRET_KEY
        and len(set(secret)) >= _FEWEST_CHARACTERS
        and not secret.startswith(("demo-only-", "django-insecure-"))
    )


def _is_simple(key: bytes) -> bool:
    # The demo's key is text; a random key of 32 bytes is printable once in 10^13 times.
    return len(set(key)) < _FEWEST_CHARACTERS or all(32 <= byte < 127 for byte in key)
