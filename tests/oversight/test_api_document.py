"""The API of oversight keeps to its document for people who may do all of it, on things there are.

``tests/test_openapi.py`` asks as an administrator, whom most of these operations refuse.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings

from oversight.incidents import open_incident
from oversight.reviews import request_review, take_up
from oversight.task_list import open_task
from tests.cast import Cast
from tests.live import signed_in
from tests.oversight.scene import answered
from tests.test_openapi import CHECKS, document

_ROOTS = ("/api/v1/reviews", "/api/v1/incidents", "/api/v1/tasks")


def of_oversight() -> dict[str, Any]:
    whole = document()
    paths = {path: value for path, value in whole["paths"].items() if path.startswith(_ROOTS)}
    for operations in paths.values():
        for operation in operations.values():
            del operation["security"]  # else most examples make up a key, and are refused for it
    return {**whole, "paths": paths}


schema = schemathesis.openapi.from_dict(of_oversight())


@pytest.fixture
def known(cast: Cast) -> dict[str, str]:
    """The ids of things in the organisation."""
    review = request_review(cast.max, answered(cast.max).pk)
    take_up(cast.olivia, review)
    due = timezone.now() + timedelta(days=7)
    return {
        "review_id": str(review.pk),
        "incident_id": str(open_incident(cast.rita, description="A wrong dose.").pk),
        "task_id": str(open_task(cast.olivia, name="Renew", due_at=due).pk),
    }


@pytest.fixture
def session(cast: Cast, web_server: str) -> dict[str, Any]:
    """Olivia's, who may do all of it."""
    with signed_in(web_server, cast.olivia) as client:
        return {"cookies": dict(client.cookies), "headers": dict(client.headers)}


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_oversight_keeps_to_its_document(
    case: Any, web_server: str, known: dict[str, str], session: dict[str, Any]
) -> None:
    for name in case.path_parameters or {}:
        case.path_parameters[name] = known[name]
    response = case.call(base_url=web_server, **session)
    case.validate_response(response, checks=CHECKS)
