"""One shape for every error under ``/api/``, also those that never reach the API's own code.

``{"error": {"code", "message", "details", "request_id"}}``
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from lexcustis.request_log import request_id
from llm.openai_form import error_body

PREFIX = "/api/"
OPENAI_PREFIX = "/v1/"

_CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    410: "gone",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}
_MESSAGES = {
    400: "The request cannot be understood.",
    403: "This is not allowed.",
    404: "There is no such thing here.",
    405: "This address does not take this method; see the header Allow.",
    413: "The request is too large.",
    500: "Something went wrong here. The request id helps the operator to find out what.",
}


def code_of_status(status: int) -> str:
    """The code for an error of which only the HTTP status is known."""
    return _CODES.get(status, "error")


def error_response(
    _request: HttpRequest,
    *,
    status: int,
    code: str,
    message: str,
    details: Any = None,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """An answer in the error contract."""
    error = {
        "code": code,
        "message": message,
        "details": details,
        "request_id": request_id() or None,
    }
    body = json.dumps({"error": error}, ensure_ascii=False).encode(errors="replace")
    return HttpResponse(
        body, status=status, content_type="application/json; charset=utf-8", headers=headers
    )


@sync_and_async_middleware
def ApiErrorMiddleware(  # noqa: N802 - Django names middleware like classes
    get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Put Django's own error pages for the API's addresses into the contract.

    Unknown addresses, methods that an address does not take, refused CSRF tokens and hosts: all
    of them are answered with HTML or plain text where nothing translates them.
    """
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)
            return _in_contract(request, response)

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        return _in_contract(request, get_response(request))  # type: ignore[arg-type]

    return synchronous


def _in_contract(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code < 400 or not request.path.startswith((PREFIX, OPENAI_PREFIX)):
        return response
    if response.headers.get("Content-Type", "").startswith("application/json"):
        return response
    status, code = response.status_code, code_of_status(response.status_code)
    message = _MESSAGES.get(status, response.reason_phrase)
    translated: HttpResponse
    if request.path.startswith(OPENAI_PREFIX):
        translated = JsonResponse(error_body(status, code, message), status=status)
    else:
        translated = error_response(request, status=status, code=code, message=message)
    for name in ("Allow", "Retry-After"):
        if name in response.headers:
            translated[name] = response.headers[name]
    return translated
