"""Is this process alive, and is the product ready? For load balancers and the supervisor.

Anybody may ask, so the answers name no organisation, no count, no address and no version.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from audit.state import sealer_state

logger = structlog.get_logger(__name__)


class NotReady(Exception):
    """One part is not ready; the message is one of a few fixed words."""


async def healthz(_request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all; it looks at nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


async def readyz(_request: HttpRequest) -> HttpResponse:
    """200 when this process can serve, else 503; JSON with one word for each part.

    A stopped sealer is told and does not count: records are committed without it and get their
    places when it is back, and taking every web process away would help nobody.
    """
    parts = await sync_to_async(readiness)()
    ready = all(word == "ok" for name, word in parts.items() if name != "sealer")
    return JsonResponse({"ready": ready, "parts": parts}, status=200 if ready else 503)


def readiness() -> dict[str, str]:
    """One word for each part: "ok", or what is wrong with it."""
    return {name: _word(check) for name, check in _CHECKS.items()}


def _word(check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as error:
        return str(error)
    except Exception as error:
        logger.warning("health.part_failed", error=type(error).__name__)
        return "unreachable"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    cache.get("health")


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady("pending")


def _sealer() -> None:
    if not sealer_state().is_running:
        raise NotReady("stopped")


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "redis": _redis,
    "migrations": _migrations,
    "sealer": _sealer,
}
