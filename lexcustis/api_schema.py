"""The OpenAPI document, complete: every operation says which errors it answers, and how."""

from __future__ import annotations

import json
from typing import Any, ClassVar, NoReturn

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser


def error_form(properties: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an error that has all of *properties*."""
    return {
        "type": "object",
        "title": "Error",
        "required": ["error"],
        "properties": {
            "error": {"type": "object", "required": list(properties), "properties": properties}
        },
        "examples": [example],
    }


_ERROR = error_form(
    {
        "code": {"type": "string", "description": "For programs: it does not change."},
        "message": {"type": "string", "description": "For people."},
        "details": {"description": "More, where there is more; else null."},
        "request_id": {"type": ["string", "null"]},
    },
    {
        "error": {
            "code": "not_found",
            "message": "There is no such thing here.",
            "details": None,
            "request_id": "6f1c7c6e-7a0e-4c2e-9e55-0b9f3f1f0c11",
        }
    },
)
_ALWAYS = {
    "401": "Not signed in",
    "403": "Not allowed",
    "404": "There is no such thing, or not for you",
    "429": "Too many requests",
}
_WITH_INPUT = {"400": "Not JSON", "413": "Too large", "422": "A field is missing or wrong"}
_UPSTREAM = {"502": "The provider failed", "503": "Not available at the moment"}


class StrictParser(Parser):
    """JSON as the standard has it: no NaN, no Infinity."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The parsed body; raises ``ValueError``."""
        return json.loads(request.body, parse_constant=_refuse)


class CompleteAPI(NinjaAPI):
    """The API with its document completed."""

    error_schema: ClassVar[dict[str, Any]] = _ERROR
    with_input: ClassVar[dict[str, str]] = _WITH_INPUT

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The OpenAPI document with the error responses of every operation."""
        document = super().get_openapi_schema(**options)
        document["components"]["schemas"]["Error"] = self.error_schema
        for operations in document["paths"].values():
            for method, operation in operations.items():
                _add_errors(operation, self.with_input, writes=method != "get")
        return document


def _add_errors(operation: dict[str, Any], with_input: dict[str, str], *, writes: bool) -> None:
    expected = dict(_ALWAYS)
    if writes:
        expected |= {"409": "Not in this state"}
    if operation.get("parameters") or "requestBody" in operation:
        expected |= with_input
    if "requestBody" in operation:
        expected |= _UPSTREAM
    for status, description in expected.items():
        operation["responses"].setdefault(
            status,
            {
                "description": description,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON.")
