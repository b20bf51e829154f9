"""``POST /v1/embeddings`` in OpenAI's form."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Literal

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from llm import chat
from llm.embeddings import Wanted, embed
from llm.events import name_screening
from llm.openai_form import WrongRequest
from llm.providers.embeddings import Embeddings, base64_of
from llm.pump import Pump
from llm.schemas import RECORD_HEADER
from llm.screening_consent import consent_of
from orgs.api_auth import DEFERRED_KEY_AUTH, caller_of_call

router = Router(tags=["OpenAI-compatible"])

_MOST_INPUTS = 2048


class EmbeddingsIn(Schema):
    """Texts to make vectors of; what else OpenAI's clients send is ignored."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "sim-embed", "input": ["What is a checkpoint?"]}]}
    )

    model: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    input: str | list[str] | list[int] | list[list[int]] = Field(
        description="One text or several. Numbers of tokens are refused: what leaves is recorded, "
        "and people must be able to read it."
    )
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = Field(None, ge=1, le=65_536)


class EmbeddingOut(Schema):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(
        description="Numbers, or base64 of little-endian float32 where that was asked for."
    )


class EmbeddingsUsage(Schema):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsOut(Schema):
    """Vectors in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[EmbeddingOut]
    model: str
    usage: EmbeddingsUsage


@router.post(
    "/embeddings",
    auth=DEFERRED_KEY_AUTH,
    response=EmbeddingsOut,
    summary="Embeddings",
    openapi_extra={"responses": {200: {"headers": RECORD_HEADER}}},
)
async def create_embeddings(request: HttpRequest, body: EmbeddingsIn) -> Any:
    """Vectors by a model that the organisation offers, recorded and screened like a chat.

    `Lexcustis-Screening: confirmed` or `masked` answers beforehand what would be asked.
    """
    encoding = body.encoding_format or "float"
    wanted = Wanted(
        inputs_of(body.input),
        body.model,
        body.dimensions,
        encoding,
        consent=consent_of(request),
    )
    pump = await embed(partial(caller_of_call(request).tenant, chat.ahead), wanted)
    assert wanted.made is not None
    # Half a million numbers take a while to write, in which streams go on.
    write = sync_to_async(answer_of, thread_sensitive=False)
    response = HttpResponse(await write(pump, wanted.made, encoding), "application/json")
    if pump.requested is not None:
        response["Lexcustis-Record"] = pump.requested.header
    name_screening(response, pump)
    return response


def inputs_of(given: Any) -> list[str]:
    """The texts of a request. Raises :class:`WrongRequest`."""
    texts = [given] if isinstance(given, str) else list(given)
    if not all(isinstance(text, str) for text in texts):
        raise WrongRequest(
            "Send text instead of token numbers: what leaves is recorded as text. In LangChain "
            "set check_embedding_ctx_length=False.",
            "input",
        )
    if not texts or not all(texts):
        raise WrongRequest("Send at least one text, and none that is empty.", "input")
    if len(texts) > _MOST_INPUTS:
        raise WrongRequest(f"Send at most {_MOST_INPUTS} texts at once.", "input")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise WrongRequest("A text holds what is not Unicode.", "input") from error
    return texts


def answer_of(pump: Pump, made: Embeddings, encoding: str) -> bytes:
    """The object ``list`` of OpenAI's form, as JSON."""
    assert pump.ended is not None
    outcome = pump.ended.outcome
    read = outcome.usage.input_tokens if outcome.usage else 0
    answer = {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64_of(vector) if encoding == "base64" else vector.tolist(),
            }
            for index, vector in enumerate(made.vectors)
        ],
        "model": outcome.model,
        "usage": {"prompt_tokens": read, "total_tokens": read},
    }
    return json.dumps(answer, separators=(",", ":")).encode()
