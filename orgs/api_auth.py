"""How calls to the API say who they are: a key, or the browser's session with a CSRF token."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer

from orgs.auth import tenant_of_session
from orgs.keys import tenant_of_text
from orgs.tenancy import Tenant


class KeyAuth(HttpBearer):
    """``Authorization: Bearer lxc_…``."""

    async def authenticate(self, request: HttpRequest, token: str) -> Tenant | None:
        """The key's tenant, or None."""
        return await sync_to_async(tenant_of_text)(token)


class SessionAuth(APIKeyCookie):
    """The session of a signed-in person; writing calls need the header ``X-CSRFToken``."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Any:
        """Leave the call to no one where it carries a key or no session at all."""
        if "Authorization" in request.headers or self.param_name not in request.COOKIES:
            return None
        return super().__call__(request)

    async def authenticate(self, request: HttpRequest, key: str | None) -> Tenant | None:
        """The tenant of the session, or None."""
        return await sync_to_async(tenant_of_session)(request)


AUTH = [KeyAuth(), SessionAuth()]


def tenant_of_call(request: HttpRequest) -> Tenant:
    """The tenant that authentication found for this API call."""
    tenant: Tenant = request.auth  # type: ignore[attr-defined]
    return tenant
