"""The API object: its routers, and the one error contract of every answer that is not a success.

``{"error": {"code", "message", "details", "request_id"}}``
"""

from __future__ import annotations

import math

import structlog
from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import DataError, IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled
from ninja.errors import ValidationError as RequestInvalid

from audit.acknowledgement import HEADER as SEALED
from audit.erasure import Held
from audit.ledger import LedgerUnavailable
from audit.reading import ContentDamaged, ContentGone, RecordNotFound
from lexcustis.api_errors import code_of_status, error_response
from lexcustis.api_schema import CompleteAPI, StrictParser
from llm.calls import CallFailed
from llm.providers.errors import ProviderError
from orgs.api_auth import AUTH

logger = structlog.get_logger(__name__)

api: NinjaAPI = CompleteAPI(
    title="Lex Custis",
    version=settings.VERSION,
    description="Chat through the gateway, read the audit log, collect dossiers.\n\n"
    "What is recorded beside calls of models (settings, reviews, incidents, erasures and the like) "
    "is answered when a signed checkpoint of the audit log covers it. The header "
    f"`{SEALED}` says so: `yes`; or `no`, where that would have taken too long. Either way it is "
    "recorded.",
    auth=AUTH,
    parser=StrictParser(),
    urls_namespace="api",
    docs_url="/docs",
)


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


@api.exception_handler(DataError)
def _value_out_of_range(request: HttpRequest, error: DataError) -> HttpResponse:
    """PostgreSQL knows bounds that no schema can say: years, time zones, characters."""
    logger.warning("api.value_out_of_range", exc_info=error)
    message = "A value is outside of what can be stored or searched for."
    return error_response(request, status=422, code="invalid_value", message=message)


@api.exception_handler(IntegrityError)
def _in_the_way(request: HttpRequest, error: IntegrityError) -> HttpResponse:
    """Two made the same thing at once, or one needs what the other takes away."""
    logger.warning("api.conflict", exc_info=error)
    message = "Somebody else changed this at the same moment. Read it again, then try again."
    return error_response(request, status=409, code="conflict", message=message)


@api.exception_handler(Throttled)
def _throttled(request: HttpRequest, error: Throttled) -> HttpResponse:
    headers = {"Retry-After": str(math.ceil(error.wait or 1))}
    message = "Too many requests; try again after the time in Retry-After."
    return error_response(
        request, status=429, code="rate_limited", message=message, headers=headers
    )


@api.exception_handler(CallFailed)
def _no_answer(request: HttpRequest, error: CallFailed) -> HttpResponse:
    headers = (
        {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    )
    return error_response(
        request,
        status=error.status,
        code=error.code,
        message=error.message,
        details=error.details or None,
        headers=headers,
    )


@api.exception_handler(ProviderError)
def _provider_failed(request: HttpRequest, error: ProviderError) -> HttpResponse:
    return error_response(request, status=error.status, code=error.code, message=error.message)


@api.exception_handler(LedgerUnavailable)
def _no_ledger(request: HttpRequest, _error: LedgerUnavailable) -> HttpResponse:
    message = "The audit log cannot be written at the moment, and nothing goes without it."
    headers = {"Retry-After": "5"}
    return error_response(
        request, status=503, code="ledger_unavailable", message=message, headers=headers
    )


@api.exception_handler(RecordNotFound)
def _no_record(request: HttpRequest, _error: RecordNotFound) -> HttpResponse:
    return _not_found(request, Http404())


@api.exception_handler(ContentGone)
def _content_gone(request: HttpRequest, _error: ContentGone) -> HttpResponse:
    message = "This text was erased, or its time was over."
    return error_response(request, status=410, code="content_gone", message=message)


@api.exception_handler(ContentDamaged)
def _content_damaged(request: HttpRequest, error: ContentDamaged) -> HttpResponse:
    return error_response(request, status=500, code="content_damaged", message=str(error))


@api.exception_handler(Held)
def _held(request: HttpRequest, _error: Held) -> HttpResponse:
    message = "A legal hold covers some of this content: all of it stays."
    return error_response(request, status=409, code="legal_hold", message=message)


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, _error: RequestDataTooBig) -> HttpResponse:
    message = f"The request is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes."
    return error_response(request, status=413, code="too_large", message=message)


@api.exception_handler(MultiPartParserError)
@api.exception_handler(SuspiciousOperation)
def _cannot_be_read(request: HttpRequest, _error: Exception) -> HttpResponse:
    """A form without its boundary, or cut off, or with more fields than anybody needs."""
    message = "The form that was sent cannot be read."
    return error_response(request, status=400, code=code_of_status(400), message=message)


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    message, status = str(error), error.status_code
    return error_response(request, status=status, code=code_of_status(status), message=message)


@api.exception_handler(Exception)
def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("api.unexpected_error", exc_info=error)
    message = "Something went wrong here. The request id helps the operator to find out what."
    return error_response(request, status=500, code="internal_error", message=message)


api.add_router("", "llm.api.router")
api.add_router("", "orgs.api.router")
api.add_router("/audit", "audit.api.router")
api.add_router("/content", "audit.content_api.router")
api.add_router("/reviews", "oversight.review_api.router")
api.add_router("/incidents", "oversight.incident_api.router")
api.add_router("/tasks", "oversight.task_api.router")
api.add_router("/dossiers", "dossier.api.router")
api.add_router("", "llm.usage_api.router")
api.add_router("/provider-settings", "llm.provider_api.router")
api.add_router("", "orgs.systems_api.router")
api.add_router("/templates", "llm.template_api.router")
api.add_router("/billing", "llm.billing_api.router")
api.add_router("/upstream", "dossier.upstream_api.router")
api.add_router("/facts", "dossier.fact_api.router")
api.add_router("/call-rules", "llm.call_rules_api.router")
