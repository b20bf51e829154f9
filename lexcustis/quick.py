"""Django for the calls whose first token somebody waits for.

Django makes a thread for each request and runs in it each hook of an older middleware, and what
belongs to its beginning and its end: a page does not mind some twenty of these hops, a first token
does. For the few addresses that stream, the same hooks that matter to them run where they are: none
of them does any input or output. Whatever asks the database gives its connection back itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, get_resolver, set_script_prefix

from lexcustis.api_errors import ApiErrorMiddleware
from lexcustis.request_log import RequestLogMiddleware

QUICK_PATHS = ("/api/v1/chat", "/v1/chat/completions")

Handle = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def is_quick(scope: Any) -> bool:
    """Whether a request is one of these calls."""
    return scope["type"] == "http" and scope["path"] in QUICK_PATHS


class QuickHandler(ASGIHandler):
    """Django's handler with a middleware chain that never leaves the event loop.

    Left out is what only pages and forms need. CSRF tokens of sessions are checked by the API's
    own authentication, which is the only one that these addresses know.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; a client that goes away cancels whatever is done for it."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with contextlib.closing(body):
            set_script_prefix(get_script_prefix(scope))
            request: Any
            refusal: Any
            request, refusal = self.create_request(scope, body)
            if request is None:
                await self.send_response(refusal, send)
                return
            await self._answer(request, receive, send)

    async def _answer(self, request: HttpRequest, receive: Any, send: Any) -> None:
        answering = asyncio.current_task()
        assert answering is not None
        listening = asyncio.create_task(_listen_for_the_end(receive, answering))
        response: Any = None
        try:
            response = await self.run_get_response(request)
            if not response.streaming:
                response.headers.setdefault("Content-Length", str(len(response.content)))
            await self.send_response(response, send)
        except asyncio.CancelledError:
            if not listening.done():
                raise
            answering.uncancel()
        finally:
            listening.cancel()
            if response is not None:
                _close(response)

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """The view of an address: each of these few is looked for once."""
        request.resolver_match = _view_of(request.path_info)
        return request.resolver_match

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain, from the view outwards."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        get_response: Any = self._get_response_async  # type: ignore[attr-defined]
        # What raises is turned into a response here, and nowhere between: each turn takes time.
        view: Any = convert_exception_to_response(get_response)
        session: Any = _with_session(inline(AuthenticationMiddleware)(view))
        errors: Any = ApiErrorMiddleware(convert_exception_to_response(session))
        logged: Any = RequestLogMiddleware(errors)
        self._middleware_chain = convert_exception_to_response(inline(SecurityMiddleware)(logged))


@cache
def _view_of(path: str) -> ResolverMatch:
    return get_resolver().resolve(path)


def _close(response: Any) -> None:
    """What the response closes; without the signal for connections that nobody here has taken."""
    for close in response._resource_closers:
        with contextlib.suppress(Exception):  # as Django does
            close()


async def _listen_for_the_end(receive: Any, answering: asyncio.Task[Any]) -> None:
    """Cancel the answer when its client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    answering.cancel()


def inline(middleware: Any) -> Callable[[Handle], Handle]:
    """The middleware with its hooks run in place; they must not block."""

    def build(get_response: Handle) -> Handle:
        hooks = middleware(get_response)
        before = getattr(hooks, "process_request", None)
        after = getattr(hooks, "process_response", None)

        async def handle(request: HttpRequest) -> HttpResponseBase:
            response = before(request) if before else None
            if response is None:
                response = await get_response(request)
            if after:
                response = after(request, response)
            found: HttpResponseBase = response
            return found

        return handle

    return build


def _with_session(get_response: Handle) -> Handle:
    """Sessions, saved in a thread in the rare case that a call changed one."""
    hooks = SessionMiddleware(get_response)

    async def handle(request: HttpRequest) -> HttpResponseBase:
        hooks.process_request(request)
        response: Any = await get_response(request)
        if request.session.modified:
            response = await sync_to_async(hooks.process_response)(request, response)
        elif request.session.accessed or settings.SESSION_COOKIE_NAME in request.COOKIES:
            response = hooks.process_response(request, response)
        found: HttpResponseBase = response
        return found

    return handle
