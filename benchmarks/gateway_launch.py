"""Our web process as only a benchmark starts it. Nothing of the product imports this.

``unrecorded`` is the whole product with a ledger that writes nothing, to measure what recording
costs: a switch in the product itself could be left on. ``watched`` is the product with one more
address, which tells how many database connections are held.

    uvicorn --factory benchmarks.gateway_launch:unrecorded
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

HELD_PATH = "/benchmark/held"


def unrecorded() -> Any:
    """The product, recording nothing: receipts without records, and no rows of calls."""
    from lexcustis.asgi import application  # noqa: I001 - first, since it sets Django up
    from django.utils import timezone

    from audit import ledger
    from orgs.identifiers import uuid7

    def commit_blocking(draft: ledger.Draft, companion: Any = None) -> ledger.Receipt:
        hashed = hashlib.sha256(b"nothing").digest()
        return ledger.Receipt(draft.id or uuid7(), "benchmark", hashed, timezone.now())

    async def commit(draft: ledger.Draft, companion: Any = None) -> ledger.Receipt:
        return commit_blocking(draft)

    ledger.commit, ledger.commit_blocking = commit, commit_blocking
    ledger.commit_together = lambda drafts: [commit_blocking(draft) for draft, _companion in drafts]
    return application


def watched() -> Any:
    """The product, which also says what its requests hold of the database."""
    from lexcustis.asgi import application

    async def answer(scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
        if scope["type"] != "http" or scope["path"] != HELD_PATH:
            await application(scope, receive, send)
            return
        body = json.dumps(_held()).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return answer


def _held() -> dict[str, int]:
    """The connections of the pool, and how many of them somebody has taken and not given back."""
    from django.db import connection

    stats = connection.pool.get_stats()  # type: ignore[attr-defined]
    return {
        "size": stats.get("pool_size", 0),
        "held": stats.get("pool_size", 0) - stats.get("pool_available", 0),
        "waiting": stats.get("requests_waiting", 0),
    }
