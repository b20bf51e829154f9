"""The API object of the OpenAI-compatible interface: the same calls, errors in OpenAI's shape."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as RequestInvalid

from lexcustis.api_schema import CompleteAPI, StrictParser, error_form
from llm.calls import CallFailed
from llm.openai_form import WrongRequest, error_body, error_of
from orgs.api_auth import KeyAuth

logger = structlog.get_logger(__name__)


class OpenAICompatibleAPI(CompleteAPI):
    """Its document has errors as OpenAI's clients read them."""

    error_schema: ClassVar[dict[str, Any]] = error_form(
        {
            "message": {"type": "string", "description": "For people."},
            "type": {"type": "string"},
            "param": {"type": ["string", "null"], "description": "The wrong field."},
            "code": {"type": "string", "description": "For programs."},
        },
        error_body(404, "model_not_found", "“m” is not offered.", "model"),
    )
    with_input: ClassVar[dict[str, str]] = {
        "400": "Not JSON, or a field is missing or wrong",
        "413": f"Larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes",
    }


openai_api = OpenAICompatibleAPI(
    title="Lex Custis, OpenAI-compatible",
    version=settings.VERSION,
    description="Chat completions, embeddings and models in OpenAI's form. A request has at most "
    f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes, whatever they are made of.",
    auth=[KeyAuth()],
    parser=StrictParser(),
    urls_namespace="openai",
    docs_url="/docs",
)


def _error(status: int, code: str, message: str, param: str | None = None) -> HttpResponse:
    return JsonResponse(error_body(status, code, message, param), status=status)


@openai_api.exception_handler(CallFailed)
def _no_answer(_request: HttpRequest, failure: CallFailed) -> HttpResponse:
    if failure.code == "model_not_offered":
        return _error(404, "model_not_found", failure.message, "model")
    response = JsonResponse(error_of(failure), status=failure.status)
    if failure.retry_after is not None:
        response["Retry-After"] = str(math.ceil(failure.retry_after))
    if "record_id" in failure.details:
        response["Lexcustis-Record"] = failure.details["record_id"]
    return response


@openai_api.exception_handler(WrongRequest)
def _wrong(_request: HttpRequest, error: WrongRequest) -> HttpResponse:
    return _error(400, "invalid_value", str(error), error.param)


@openai_api.exception_handler(RequestInvalid)
def _invalid(_request: HttpRequest, error: RequestInvalid) -> HttpResponse:
    problem = error.errors[0]
    param = ".".join(str(part) for part in problem["loc"][2:]) or None
    said = f"{param}: {problem['msg']}" if param else problem["msg"]
    return _error(400, "invalid_value", said, param)


@openai_api.exception_handler(AuthenticationError)
def _not_signed_in(_request: HttpRequest, _failed: AuthenticationError) -> HttpResponse:
    response = _error(
        401, "invalid_api_key", "Send a valid API key: 'Authorization: Bearer lxc_…'."
    )
    response["WWW-Authenticate"] = "Bearer"
    return response


@openai_api.exception_handler(PermissionDenied)
def _not_allowed(_request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return _error(403, "not_allowed", str(error))


@openai_api.exception_handler(Http404)
def _not_found(_request: HttpRequest, _error_: Http404) -> HttpResponse:
    return _error(404, "not_found", "There is no such thing here: see /v1/docs.")


@openai_api.exception_handler(RequestDataTooBig)
def _too_big(_request: HttpRequest, _big: RequestDataTooBig) -> HttpResponse:
    message = f"The request is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes."
    return _error(413, "too_large", message)


@openai_api.exception_handler(HttpError)
def _http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    return _error(error.status_code, "bad_request", str(error))


@openai_api.exception_handler(Exception)
def _unexpected(_request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("openai.unexpected_error", exc_info=error)
    return _error(500, "internal_error", "Something went wrong here.")


openai_api.add_router("", "llm.openai_api.router")
openai_api.add_router("", "llm.embeddings_api.router")
