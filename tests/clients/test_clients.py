"""Clients that others wrote, against a live server of ours: every call works and is recorded."""

from __future__ import annotations

import pytest

from llm.models import Inference
from orgs.keys import create_key
from orgs.roles import Permission
from tests.cast import Cast
from tests.clients.environment import needs_clients, run_client
from tests.llm.test_chat import simulated

pytestmark = [needs_clients, pytest.mark.slow]


@pytest.fixture
def key(cast: Cast) -> str:
    simulated(cast, allowed_models=["sim-large", "sim-embed"])
    _, text = create_key(cast.max, name="application", scopes=[Permission.CHAT])
    return text


def calls(cast: Cast) -> dict[tuple[str, str], int]:
    """How many of the organisation's calls there are of each operation and state."""
    found: dict[tuple[str, str], int] = {}
    for operation, state in Inference.objects.for_tenant(cast.max).values_list(
        "operation", "state"
    ):
        found[operation, state] = found.get((operation, state), 0) + 1
    return found


def test_litellm(web_server: str, key: str, cast: Cast) -> None:
    found = run_client("use_litellm.py", web_server, key)
    assert found["text"]
    assert found["finish"] == "stop"
    assert found["streamed"] == found["text"]
    assert found["streamed_usage"] == found["usage"]
    assert found["tool"] == ["tool_calls", "weather"]
    assert found["streamed_tool"] == ["tool_calls", "weather", True]
    assert isinstance(found["structured"]["n"], int)
    assert found["json_object"] == {}
    assert found["vectors"] == [256, 256]
    assert found["short"] == 8
    assert {name.removeprefix("openai/") for name in found["models"]} == {"sim-large", "sim-embed"}
    assert found["errors"] == {
        "limit": "RateLimitError",
        "fail": "ServiceUnavailableError",
        "model": "NotFoundError",
    }
    made = calls(cast)
    assert made["chat", "completed"] == 6
    assert made["chat", "failed"] == 4  # an accident is tried three times, a long limit once
    assert made["chat", "blocked"] == 1
    assert made["embeddings", "completed"] == 2


def test_langchain(web_server: str, key: str, cast: Cast) -> None:
    found = run_client("use_langchain.py", web_server, key)
    assert found["text"]
    assert found["finish"] == "stop"
    assert found["pieces"] > 2
    assert found["streamed"] == found["text"]
    assert found["streamed_usage"] == found["usage"]
    assert found["tool"] == ["weather", True]
    assert found["after_tool"] is True
    assert isinstance(found["json_schema"]["n"], int)
    assert isinstance(found["function_calling"]["n"], int)
    assert found["vectors"] == [256, 256]
    assert found["near"] > found["far"] + 0.5
    assert calls(cast) == {("chat", "completed"): 6, ("embeddings", "completed"): 3}
