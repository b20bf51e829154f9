"""llmock, which others wrote, breaks the vendors' answers and judges how we took it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from llm.providers.base import ChatMessage
from llm.providers.errors import (
    BadResponse,
    ContextTooLong,
    InvalidRequest,
    ProviderError,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from tests.clients.environment import BIN, needs_clients
from tests.clients.simulators import adapter, serving

pytestmark = needs_clients

# Vendor and path of the base URL.
VENDORS = {
    "openai": ("openai", "/v1"),
    "mistral": ("mistral", "/mistral/v1"),
    "groq": ("groq", "/groq/openai/v1"),
    "together": ("together", "/together/v1"),
    "anthropic": ("anthropic", "/anthropic/v1"),
    "gemini": ("gemini", "/gemini/v1beta"),
}
MODELS = {
    "openai": "gpt-4o",
    "mistral": "mistral-large-latest",
    "groq": "llama-3.3-70b-versatile",
    "together": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = [BIN / "llmock", "serve", "--port", "{port}", "--log-level", "warning"]
    log = tmp_path_factory.mktemp("llmock") / "log"
    with serving(command, ready="/health", log=log) as url:
        yield url


@pytest.fixture
def llmock(server: str) -> str:
    httpx2.post(f"{server}/_llmock/reset").raise_for_status()
    return server


def scenario(llmock: str, *behaviours: dict[str, Any]) -> None:
    httpx2.post(f"{llmock}/_llmock/scenario", json={"behaviors": behaviours}).raise_for_status()


def verdict(llmock: str, *, strict: bool = False) -> tuple[int, dict[str, Any]]:
    """What ``llmock report`` says: its exit code and its findings."""
    command = [str(BIN / "llmock"), "report", "--url", llmock, "--json"]
    done = subprocess.run(
        [*command, *(["--strict"] if strict else [])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


async def ask(llmock: str, name: str, text: str = "Say hello.") -> str:
    vendor, path = VENDORS[name]
    provider = adapter(vendor, llmock + path, model=MODELS[name])
    return (await provider.chat([ChatMessage("user", text)])).text


each_vendor = pytest.mark.parametrize("name", VENDORS)


@each_vendor
async def test_an_answer_comes(llmock: str, name: str) -> None:
    scenario(llmock, {"type": "reply", "text": "Grüße, 世界!"})
    assert await ask(llmock, name) == "Grüße, 世界!"
    assert verdict(llmock, strict=True)[0] == 0


@each_vendor
async def test_errors_are_what_they_are(llmock: str, name: str) -> None:
    expected: list[tuple[int, type[ProviderError]]] = [
        (401, Unauthorised),
        (500, Unavailable),
        (503, Unavailable),
    ]
    for status, kind in expected:
        scenario(llmock, {"type": "fail", "status": status})
        with pytest.raises(kind):
            await ask(llmock, name, f"status {status}")
    scenario(llmock, {"type": "fail", "status": 429, "retry_after": 3})
    with pytest.raises(RateLimited) as limited:
        await ask(llmock, name, "limit")
    assert limited.value.retry_after is not None
    assert 2 <= limited.value.retry_after <= 3
    scenario(llmock, {"type": "fail", "status": 400})
    with pytest.raises((InvalidRequest, ContextTooLong)):
        await ask(llmock, name, "wrong")


@each_vendor
@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
async def test_a_broken_stream_is_never_a_whole_answer(llmock: str, name: str, kind: str) -> None:
    scenario(
        llmock,
        {"type": "reply", "text": "One two three four five six seven eight."},
        # Anthropic's third event is a ping, which may be damaged without harm.
        {"type": "stream_fault", "kind": kind, "after_chunks": 4},
    )
    with pytest.raises((Unavailable, BadResponse)):
        await ask(llmock, name)
