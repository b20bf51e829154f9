"""Vectors from each vendor: what adapters send is what the vendors' own clients send."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from typing import Any

import pytest

from llm.providers.base import Usage
from llm.providers.embeddings import Embeddings, Embeds, base64_of
from llm.providers.errors import BadResponse, ProviderError, RateLimited
from tests.llm.providers.loopback import KEY, Loopback, Reply

TEXTS = ["Grüße", "世界"]
VECTORS = [[0.5, -0.25, 1.0], [0.0, 2.0, -1.5]]  # float32 holds them exactly


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def openai_answer(*embeddings: Any, **more: Any) -> Reply:
    rows = [
        {"object": "embedding", "index": index, "embedding": embedding}
        for index, embedding in enumerate(embeddings)
    ]
    return Reply.json(
        {
            "object": "list",
            "id": "embd-1",
            "data": rows[::-1],  # the index decides, not the place
            "model": "text-embedding-3-small",
            "usage": {"prompt_tokens": 9, "total_tokens": 9},
            **more,
        }
    )


async def embed(loopback: Loopback, vendor: str, path: str = "", **values: Any) -> Embeddings:
    dimensions = values.pop("dimensions", None)
    provider: Any = loopback.provider(vendor, path=path, **values)
    assert isinstance(provider, Embeds)
    return await provider.embed(TEXTS, model="a-model", dimensions=dimensions)


def vectors(made: Embeddings) -> list[list[float]]:
    return [vector.tolist() for vector in made.vectors]


@pytest.mark.parametrize("form", [packed, list], ids=["base64", "numbers"])
async def test_openais_form_as_its_client_speaks_it(loopback: Loopback, form: Any) -> None:
    import openai

    loopback.always(openai_answer(*(form(vector) for vector in VECTORS)))
    made = await embed(loopback, "openai_compatible", "/v1", dimensions=3)
    assert vectors(made) == VECTORS
    assert made.usage == Usage(9, 0)
    assert (made.model, made.upstream_id) == ("text-embedding-3-small", "embd-1")
    async with openai.AsyncOpenAI(
        api_key=KEY, base_url=f"{loopback.origin}/v1", max_retries=0
    ) as client:
        theirs = await client.embeddings.create(model="a-model", input=TEXTS, dimensions=3)
    assert sorted(row.embedding for row in theirs.data) == sorted(VECTORS)
    ours, official = loopback.requests
    assert ours.target == official.target == "/v1/embeddings"
    assert ours.json == official.json
    assert ours.headers["authorization"] == official.headers["authorization"]


async def test_mistrals_word_for_dimensions_is_its_own(loopback: Loopback) -> None:
    from mistralai.client import Mistral

    loopback.always(openai_answer(*VECTORS))
    assert vectors(await embed(loopback, "mistral", "/v1", dimensions=3)) == VECTORS
    async with Mistral(api_key=KEY, server_url=loopback.origin) as client:
        await client.embeddings.create_async(
            model="a-model", inputs=TEXTS, output_dimension=3, encoding_format="base64"
        )
    ours, official = loopback.requests
    assert ours.target == official.target
    sent = official.json
    sent.pop("output_dtype", None)
    assert ours.json == sent


async def test_ollama_refuses_to_cut_a_text(loopback: Loopback) -> None:
    import ollama

    loopback.always(
        Reply.json({"model": "all-minilm", "embeddings": VECTORS, "prompt_eval_count": 7})
    )
    made = await embed(loopback, "ollama", dimensions=3)
    assert (vectors(made), made.usage, made.model) == (VECTORS, Usage(7, 0), "all-minilm")
    client = ollama.AsyncClient(host=loopback.origin)
    await client.embed(model="a-model", input=TEXTS, truncate=False, dimensions=3)
    await client.close()
    ours, official = loopback.requests
    assert ours.target == official.target == "/api/embed"
    assert ours.json == official.json


async def test_gemini_gets_at_most_a_hundred_at_once(loopback: Loopback) -> None:
    from google import genai
    from google.genai import types

    def answer(request: Any) -> Reply:
        rows = [{"values": VECTORS[0]} for _ in request.json["requests"]]
        return Reply.json({"embeddings": rows, "usageMetadata": {"promptTokenCount": 50}})

    loopback.answer = answer
    provider: Any = loopback.provider("gemini", path="/v1beta")
    made = await provider.embed(["x"] * 150, model="gemini-embedding-001", dimensions=3)
    assert len(made.vectors) == 150
    assert made.usage == Usage(100, 0)
    assert [len(request.json["requests"]) for request in loopback.requests] == [100, 50]
    client = genai.Client(
        api_key=KEY, http_options=types.HttpOptions(base_url=loopback.origin, api_version="v1beta")
    )
    await asyncio.to_thread(
        client.models.embed_content,
        model="gemini-embedding-001",
        contents=TEXTS,  # type: ignore[arg-type]
        config=types.EmbedContentConfig(output_dimensionality=3),
    )
    client.close()
    ours, official = loopback.requests[0], loopback.requests[-1]
    assert ours.target == official.target
    assert [set(row) for row in official.json["requests"]] == [set(ours.json["requests"][0])] * 2
    assert official.json["requests"][0]["model"] == ours.json["requests"][0]["model"]


async def test_azures_dated_path_names_the_deployment(loopback: Loopback) -> None:
    loopback.always(openai_answer(*map(packed, VECTORS)))
    made = await embed(loopback, "azure", options={"api_version": "2024-10-21"})
    assert vectors(made) == VECTORS
    (request,) = loopback.requests
    path = "/openai/deployments/a-model/embeddings?api-version=2024-10-21"
    assert request.target == path
    assert request.headers["api-key"] == KEY


@pytest.mark.parametrize(
    "embeddings",
    [
        [],
        [[0.5]],
        [[0.5], [0.5, 0.5]],
        [[], []],
        [[float("nan")], [0.5]],
        [["a"], [0.5]],
        ["not base64!", "AAA="],
        [None, None],
        [{"a": 1}, 3],
    ],
)
async def test_anything_but_a_vector_for_each_text_is_a_bad_response(
    loopback: Loopback, embeddings: Any
) -> None:
    loopback.always(openai_answer(*embeddings))
    with pytest.raises(BadResponse):
        await embed(loopback, "openai_compatible", "/v1")


@pytest.mark.parametrize("body", [[], {}, {"data": [1]}, {"data": None}, "x"])
@pytest.mark.parametrize("vendor", ["openai_compatible", "ollama", "gemini"])
async def test_other_json_is_a_bad_response(loopback: Loopback, vendor: str, body: Any) -> None:
    loopback.always(Reply.json(body))
    with pytest.raises(BadResponse):
        await embed(loopback, vendor, "/v1")


async def test_refusals_are_those_of_a_chat(loopback: Loopback) -> None:
    loopback.always(
        Reply.json({"error": {"message": "slow down"}}, 429, headers={"retry-after": "3"})
    )
    for vendor in ("openai_compatible", "mistral", "ollama", "gemini"):
        with pytest.raises(RateLimited) as limited:
            await embed(loopback, vendor, "/v1")
        assert limited.value.retry_after == 3
    loopback.always(Reply([json.dumps({}).encode()], media="text/html"))
    with pytest.raises(ProviderError):
        await embed(loopback, "openai_compatible", "/v1")


def test_base64_is_little_endian_float32() -> None:
    from array import array

    assert base64_of(array("d", VECTORS[0])) == packed(VECTORS[0])
