"""The ASGI application that uvicorn serves."""

import gc
import os
from typing import Any

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lexcustis.settings")

# How long answers that are still being given may take to be recorded when the server goes down.
SHUTDOWN_SECONDS = 10.0

_django = get_asgi_application()

from lexcustis.quick import QuickHandler, is_quick  # noqa: E402 - Django must be set up before

_quick = QuickHandler()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Django, which knows nothing of the server's end; that is handled here."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif is_quick(scope):
        await _quick(scope, receive, send)
    else:
        await _django(scope, receive, send)


async def _live(receive: Any, send: Any) -> None:
    """Until the server goes down; then every running call gets its recorded ending."""
    from llm.providers.pinned import close_clients, keep_connections
    from llm.pump import interrupt_all

    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            refusal = await sync_to_async(_refusal)()
            if refusal:
                await send({"type": "lifespan.startup.failed", "message": refusal})
                return
            _keep_what_is_loaded()
            keep_connections()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await interrupt_all(seconds=SHUTDOWN_SECONDS)
            await close_clients()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _keep_what_is_loaded() -> None:
    """Spare the garbage collector what lives as long as the process, and look for more seldom.

    Else it goes through all of Django again and again while somebody waits for a first token.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _refusal() -> str:
    """Why this process must not serve anybody: the database guards the log too little."""
    from django.core.exceptions import ImproperlyConfigured
    from django.db import connection

    from audit.guard import refuse_if_weak

    try:
        refuse_if_weak()
    except ImproperlyConfigured as error:
        return str(error)
    finally:
        connection.close()
    return ""
