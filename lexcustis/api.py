"""The API object: its routers, and the one error contract of every answer that is not a success.

``{"error": {"code", "message", "details", "request_id"}}``
"""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled
from ninja.errors import ValidationError as RequestInvalid

from orgs.api_auth import AUTH

logger = structlog.get_logger(__name__)

api = NinjaAPI(
    title="Lex Custis",
    version=settings.VERSION,
    description="Chat through the gateway, read the audit log, collect dossiers.",
    auth=AUTH,
    urls_namespace="api",
    docs_url="/docs",
)


def error_response(
    request: HttpRequest,
    *,
    status: int,
    code: str,
    message: str,
    details: Any = None,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """An answer in the error contract."""
    context = structlog.contextvars.get_contextvars()
    body = {
        "error": {
            "code": code,
            "message": message,
            "details": details,
            "request_id": context.get("request_id"),
        }
    }
    response = api.create_response(request, body, status=status)
    for name, value in (headers or {}).items():
        response[name] = value
    return response


@api.exception_handler(AuthenticationError)
def _not_signed_in(request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
    message = "Send an API key as 'Authorization: Bearer lxc_…', or sign in."
    headers = {"WWW-Authenticate": "Bearer"}
    return error_response(
        request, status=401, code="not_authenticated", message=message, headers=headers
    )


@api.exception_handler(PermissionDenied)
def _not_allowed(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return error_response(request, status=403, code="not_allowed", message=str(error))


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return error_response(
        request, status=404, code="not_found", message="There is no such thing here."
    )


@api.exception_handler(RequestInvalid)
def _request_invalid(request: HttpRequest, error: RequestInvalid) -> HttpResponse:
    details = [
        {"field": ".".join(map(str, problem["loc"])), "problem": problem["msg"]}
        for problem in error.errors
    ]
    message = "Some fields of the request are missing or wrong; see details."
    return error_response(
        request, status=422, code="invalid_request", message=message, details=details
    )


@api.exception_handler(ValidationError)
def _value_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    details = [{"field": "", "problem": message} for message in error.messages]
    if hasattr(error, "error_dict"):
        details = [
            {"field": field, "problem": message}
            for field, messages in error.message_dict.items()
            for message in messages
        ]
    message = "The values do not fit; see details."
    return error_response(
        request, status=422, code="invalid_value", message=message, details=details
    )


@api.exception_handler(Throttled)
def _throttled(request: HttpRequest, error: Throttled) -> HttpResponse:
    headers = {"Retry-After": str(error.wait or 1)}
    message = "Too many requests; try again after the time in Retry-After."
    return error_response(
        request, status=429, code="rate_limited", message=message, headers=headers
    )


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    codes = {400: "bad_request", 403: "not_allowed", 404: "not_found", 405: "method_not_allowed"}
    code = codes.get(error.status_code, "error")
    return error_response(request, status=error.status_code, code=code, message=str(error))


@api.exception_handler(Exception)
def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("api.unexpected_error", exc_info=error)
    message = "Something went wrong here. The request id helps the operator to find out what."
    return error_response(request, status=500, code="internal_error", message=message)
