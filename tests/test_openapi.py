"""The API does what its OpenAPI document says, whatever is sent to it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lexcustis.api import api
from lexcustis.openai import openai_api
from orgs.keys import create_key
from orgs.roles import Permission
from tests.cast import Cast
from tests.llm.test_chat import simulated

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


@pytest.fixture
def headers(cast: Cast) -> dict[str, str]:
    """An administrator's key with every scope that there is."""
    simulated(cast)
    _, text = create_key(cast.alice, name="all", scopes=list(Permission))
    return {"Authorization": f"Bearer {text}"}


def document() -> dict[str, Any]:
    return dict(api.get_openapi_schema())


schema = schemathesis.openapi.from_dict(document())


def test_the_openai_compatible_document_says_which_errors_there_are() -> None:
    for operations in openai_api.get_openapi_schema()["paths"].values():
        for method, operation in operations.items():
            expected = {"401", "403", "404", "429", *({"400", "413"} if method == "post" else ())}
            assert expected <= operation["responses"].keys()
            content = operation["responses"]["401"]["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Error"}


def test_every_operation_is_complete() -> None:
    described = document()
    assert "`Lexcustis-Sealed`" in described["info"]["description"]
    assert set(described["components"]["securitySchemes"]) == {"KeyAuth", "SessionAuth"}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            name = f"{method} {path}"
            assert operation["summary"], name
            assert operation["description"], name
            assert operation["security"] == [{"KeyAuth": []}, {"SessionAuth": []}], name
            assert operation["tags"], name
            for status in ("401", "403", "404", "429"):
                content = operation["responses"][status]["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Error"}, name
            success = [code for code in operation["responses"] if str(code).startswith("2")]
            assert success, name
            for code in success:
                response = operation["responses"][code]
                assert str(code) == "204" or response.get("content"), name


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_to_its_document(case: Any, web_server: str, headers: dict[str, str]) -> None:
    response = case.call(base_url=web_server, headers=headers)
    case.validate_response(response, checks=CHECKS)
