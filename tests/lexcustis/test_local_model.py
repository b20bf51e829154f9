"""A real model on this machine, where ``make run MODEL=local`` has installed its packages."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from lexcustis import demo_model
from lexcustis.local_model import MODEL
from lexcustis.supervisor import LOCAL_PYTHON, ROOT
from llm.models import Inference, ProviderSettings
from orgs.keys import create_key
from orgs.roles import Permission
from tests.cast import Cast
from tests.running import free_port

installed = pytest.mark.skipif(
    not LOCAL_PYTHON.exists(), reason="the local model is not installed: 'make install-local'"
)


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """The address of the server with the model loaded."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [str(LOCAL_PYTHON), "-I", str(ROOT / "lexcustis" / "local_model.py"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not is_loaded(address):
            assert process.poll() is None, "the model's server ended"
            assert time.monotonic() < deadline, "the model was never loaded"
            time.sleep(0.1)
        yield address
        process.terminate()
        assert process.wait(10) == -15


def is_loaded(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/health").status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture
def client(model: str, web_server: str, cast: Cast) -> Iterator[openai.OpenAI]:
    demo_model.offer_to(cast.alice, f"{model}/v1")
    _, key = create_key(cast.max, name="application", scopes=[Permission.CHAT])
    with openai.OpenAI(base_url=f"{web_server}/v1", api_key=key, max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, text: str, **options: Any) -> Any:
    messages: list[Any] = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=MODEL, messages=messages, **options)


@installed
def test_usage_is_what_the_model_itself_counted(
    model: str, client: openai.OpenAI, cast: Cast
) -> None:
    options: dict[str, Any] = {"max_tokens": 24, "temperature": 0}
    chunks = list(
        ask(
            client, "Name two seas.", stream=True, stream_options={"include_usage": True}, **options
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len([chunk for chunk in chunks if chunk.choices]) > 3
    with openai.OpenAI(base_url=f"{model}/v1", api_key="none") as direct:
        itself = ask(direct, "Name two seas.", **options)
    assert text == itself.choices[0].message.content
    counted = (itself.usage.prompt_tokens, itself.usage.completion_tokens)
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == counted
    call = Inference.objects.for_tenant(cast.max).get()
    assert (call.input_tokens, call.output_tokens, call.state) == (*counted, "completed")


@installed
def test_an_answer_has_the_form_that_was_asked_for(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}, "people": {"type": "integer"}},
        "required": ["city", "people"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    answer = ask(client, "Describe Paris.", response_format=form, max_tokens=120)
    found = json.loads(answer.choices[0].message.content)
    assert set(found) == {"city", "people"}
    assert isinstance(found["people"], int)


@installed
def test_the_model_stops_when_the_client_leaves(
    model: str, client: openai.OpenAI, cast: Cast
) -> None:
    stream = ask(client, "Count from one to a thousand.", stream=True, max_tokens=4000)
    next(iter(stream))
    stream.close()
    deadline = time.monotonic() + 20
    while any(slot["is_processing"] for slot in httpx2.get(f"{model}/slots").json()):
        assert time.monotonic() < deadline, "the model works on for nobody"
        time.sleep(0.05)
    while Inference.objects.for_tenant(cast.max).get().state != "stopped":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_the_model_its_provider_is_switched_off(cast: Cast) -> None:
    demo_model.offer_to(cast.alice, "")
    rows = ProviderSettings.objects.for_tenant(cast.alice).filter(name=demo_model.NAME)
    assert not rows.exists()
    demo_model.offer_to(cast.alice, "http://127.0.0.1:8001/v1")
    demo_model.offer_to(cast.alice, "")
    assert not rows.get().is_enabled
    demo_model.offer_to(cast.alice, "http://127.0.0.1:8301/v1")
    assert rows.get().is_enabled
    assert rows.get().base_url == "http://127.0.0.1:8301/v1"
