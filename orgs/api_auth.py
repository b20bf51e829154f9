"""How calls to the API say who they are: a key, or the browser's session with a CSRF token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest
from ninja.errors import AuthenticationError
from ninja.security import APIKeyCookie, HttpBearer

from orgs.auth import tenant_of_session
from orgs.keys import Ahead, tenant_of_text
from orgs.tenancy import Tenant


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as the request alone says it.

    For calls whose first answer must be quick: they look the tenant up together with everything
    else they read, in one visit to the database.
    """

    request: HttpRequest
    key: str | None = None

    def tenant(self, ahead: Ahead | None = None) -> Tenant:
        """Look the tenant up. Raises :class:`AuthenticationError`; reads the database.

        *ahead* is for :func:`orgs.keys.tenant_of_text`.
        """
        if self.key is None:
            found = tenant_of_session(self.request)
        else:
            found = tenant_of_text(self.key, ahead)
        if found is None:
            raise AuthenticationError
        return found


class KeyAuth(HttpBearer):
    """``Authorization: Bearer lxc_…``."""

    async def authenticate(self, request: HttpRequest, token: str) -> Any:
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

    async def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """The tenant of the session, or None."""
        return await sync_to_async(tenant_of_session)(request)


class DeferredKeyAuth(KeyAuth):
    """The same key, looked up later by :meth:`Caller.tenant`."""

    async def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Whoever carries the key."""
        return Caller(request, token)


class DeferredSessionAuth(SessionAuth):
    """The same session, its CSRF token checked now, looked up later by :meth:`Caller.tenant`."""

    async def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """Whoever carries the session."""
        return Caller(request)


# In the OpenAPI document these are the same two schemes: it names them by their class.
DeferredKeyAuth.__name__ = KeyAuth.__name__
DeferredSessionAuth.__name__ = SessionAuth.__name__

AUTH = [KeyAuth(), SessionAuth()]
# Only for calls that ask for ``caller_of_call(request).tenant()`` before they do anything.
DEFERRED_AUTH = [DeferredKeyAuth(), DeferredSessionAuth()]
DEFERRED_KEY_AUTH = [DeferredKeyAuth()]


def tenant_of_call(request: HttpRequest) -> Tenant:
    """The tenant that authentication found for this API call."""
    tenant = request.auth  # type: ignore[attr-defined]
    if not isinstance(tenant, Tenant):
        raise AuthenticationError
    return tenant


def caller_of_call(request: HttpRequest) -> Caller:
    """Who makes this API call, not yet looked up."""
    caller = request.auth  # type: ignore[attr-defined]
    if not isinstance(caller, Caller):
        raise AuthenticationError
    return caller
