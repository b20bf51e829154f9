"""What the OpenAI-compatible interface takes; what it has no use for it leaves out, and says so."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

from llm.schemas import ANSWER_HEADERS

_ONE_LINE = r"^[^\x00-\x1f\x7f]+$"
_ONE_WORD = r"^[a-z]{1,20}$"
_TokenNumber = Annotated[str, Field(pattern=r"^[0-9]{1,8}$")]
_Bias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


class FunctionCall(BaseModel):
    """What a model wants called; ``arguments`` is JSON text."""

    name: str = Field(max_length=200)
    arguments: str


class ToolCallIn(BaseModel):
    """An earlier wish of the model to call a tool."""

    id: str = Field(max_length=200)
    type: Literal["function"] = "function"
    function: FunctionCall


class MessageIn(BaseModel):
    """One message; ``content`` is text or parts of the types ``text`` and ``image_url``."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[ToolCallIn] | None = None
    tool_call_id: str | None = Field(None, max_length=200)


class StreamOptions(BaseModel):
    """Options of a streamed answer."""

    include_usage: bool | None = None


class CompletionIn(BaseModel):
    """A chat completion in OpenAI's form."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "model": "sim-large",
                    "messages": [{"role": "user", "content": "What is a checkpoint?"}],
                }
            ]
        },
    )

    model: str = Field(min_length=1, max_length=200, pattern=_ONE_LINE)
    messages: list[MessageIn] = Field(min_length=1, max_length=1000)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(None, ge=1, le=1_000_000)
    n: int | None = Field(None, description="Only 1 is given.")
    stop: str | list[str] | None = Field(None, max_length=1000)
    seed: int | None = Field(None, ge=-(2**53) + 1, le=2**53 - 1)
    tools: list[dict[str, Any]] | None = Field(None, max_length=128)
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    frequency_penalty: float | None = Field(None, ge=-2, le=2, allow_inf_nan=False)
    presence_penalty: float | None = Field(None, ge=-2, le=2, allow_inf_nan=False)
    logit_bias: dict[_TokenNumber, _Bias] | None = Field(None, max_length=1024)
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = Field(None, pattern=_ONE_WORD)
    verbosity: str | None = Field(None, pattern=_ONE_WORD)


class ModelOut(Schema):
    """A model that may be asked for."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ModelList(Schema):
    """The models that may be asked for."""

    object: Literal["list"] = "list"
    data: list[ModelOut]


COMPLETION: dict[str, Any] = {
    "description": "The completion, or with `stream` its chunks as server-sent events.",
    "headers": ANSWER_HEADERS,
    "content": {
        "application/json": {"schema": {"type": "object"}},
        "text/event-stream": {
            "schema": {
                "type": "object",
                "required": ["data"],
                "properties": {"data": {"type": "string"}},
            }
        },
    },
}
