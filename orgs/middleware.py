"""Gives every request its tenant, found when it is first asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

from orgs.auth import tenant_of_session


@sync_and_async_middleware
def TenantMiddleware(  # noqa: N802 - Django names middleware like classes
    get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """Set ``request.tenant``: a :class:`orgs.tenancy.Tenant`, false where there is none."""

    def prepare(request: HttpRequest) -> None:
        lazy = SimpleLazyObject(lambda: tenant_of_session(request))
        request.tenant = lazy  # type: ignore[attr-defined]

    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            prepare(request)
            response: HttpResponse = await get_response(request)
            return response

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        prepare(request)
        return get_response(request)

    return synchronous
