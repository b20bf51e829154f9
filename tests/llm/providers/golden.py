"""Streams as vendors document them, and what an adapter must read from each.

All say the same thing, with characters of two, three and four bytes, so that a cut at every
byte also cuts inside a character.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llm.providers.base import FinishReason, ToolCall, Usage
from tests.llm.providers.loopback import ndjson, sse

TEXT = "Grüße, 世界 🌍!\n"
PIECES = ["Grü", "ße, 世", "界 🌍", "!\n"]


@dataclass(frozen=True)
class Golden:
    vendor: str
    path: str
    stream: bytes
    text: str = TEXT
    usage: Usage | None = None
    finish: FinishReason = FinishReason.STOP
    model: str = ""
    upstream_id: str = ""
    media: str = "text/event-stream"
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    location: str = ""
    configuration: dict[str, Any] = field(default_factory=dict)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-Bz1",
        "object": "chat.completion.chunk",
        "created": 1763700000,
        "model": "gpt-5.2-2026-08-01",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def _openai_text(**last: Any) -> bytes:
    return sse(
        chunk({"role": "assistant", "content": "", "refusal": None}, usage=None),
        *(chunk({"content": piece}, usage=None) for piece in PIECES),
        chunk({}, "stop", usage=None),
        {**chunk({}), "choices": [], "usage": OPENAI_USAGE, **last},
        "[DONE]",
    )


OPENAI_USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
}
OPENAI = Golden(
    "openai_compatible",
    "/v1",
    _openai_text(),
    usage=Usage(19, 10, 8, 4),
    model="gpt-5.2-2026-08-01",
    upstream_id="chatcmpl-Bz1",
)

_ARGUMENTS = ['{"city":', ' "Köln"', ', "days": 2}']
OPENAI_TOOLS = Golden(
    "openai_compatible",
    "/v1",
    sse(
        chunk(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "call_a",
                        "type": "function",
                        "function": {"name": "weather", "arguments": ""},
                    }
                ],
            }
        ),
        *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": a}}]}) for a in _ARGUMENTS),
        chunk(
            {
                "tool_calls": [
                    {
                        "index": 1,
                        "id": "call_b",
                        "type": "function",
                        "function": {"name": "clock", "arguments": "{}"},
                    }
                ]
            }
        ),
        chunk({}, "tool_calls"),
        {**chunk({}), "choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 20}},
        "[DONE]",
    ),
    text="",
    usage=Usage(50, 20),
    finish=FinishReason.TOOL_CALLS,
    model="gpt-5.2-2026-08-01",
    upstream_id="chatcmpl-Bz1",
    tool_calls=(
        ToolCall("call_a", "weather", "".join(_ARGUMENTS)),
        ToolCall("call_b", "clock", "{}"),
    ),
)

OPENAI_REFUSAL = Golden(
    "openai_compatible",
    "/v1",
    sse(
        chunk({"role": "assistant", "content": None, "refusal": "I cannot "}),
        chunk({"refusal": "do that."}),
        chunk({}, "stop"),
        "[DONE]",
    ),
    text="I cannot do that.",
    finish=FinishReason.REFUSAL,
    model="gpt-5.2-2026-08-01",
    upstream_id="chatcmpl-Bz1",
)


def _mistral(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "cmpl-e5cc70bb28c444948073e77776eb30ef",
        "object": "chat.completion.chunk",
        "created": 1763700000,
        "model": "mistral-large-2411",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


MISTRAL = Golden(
    "mistral",
    "/v1",
    sse(
        _mistral({"role": "assistant", "content": ""}),
        *(_mistral({"content": piece}) for piece in PIECES[:-1]),
        _mistral(
            {"content": PIECES[-1]},
            "stop",
            usage={"prompt_tokens": 16, "completion_tokens": 9, "total_tokens": 25},
        ),
        "[DONE]",
    ),
    usage=Usage(16, 9),
    model="mistral-large-2411",
    upstream_id="cmpl-e5cc70bb28c444948073e77776eb30ef",
)

MISTRAL_THINKING = Golden(
    "mistral",
    "/v1",
    sse(
        _mistral(
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm, ¿qué? "}]}
                ],
            }
        ),
        _mistral({"content": [{"type": "text", "text": TEXT}]}),
        _mistral(
            {"content": ""}, "model_length", usage={"prompt_tokens": 3, "completion_tokens": 7}
        ),
        "[DONE]",
    ),
    usage=Usage(3, 7),
    finish=FinishReason.LENGTH,
    reasoning="Hm, ¿qué? ",
    model="mistral-large-2411",
    upstream_id="cmpl-e5cc70bb28c444948073e77776eb30ef",
)


def _ollama(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "model": "llama3.2:3b",
        "created_at": "2026-11-21T10:00:00.1234Z",
        "message": {"role": "assistant", **message},
        "done": False,
        **more,
    }


_OLLAMA_END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_count": 12,
    "eval_duration": 4535599000,
}
OLLAMA = Golden(
    "ollama",
    "",
    ndjson(
        *(_ollama({"content": piece}) for piece in PIECES), _ollama({"content": ""}, **_OLLAMA_END)
    ),
    usage=Usage(26, 12),
    model="llama3.2:3b",
    media="application/x-ndjson",
)
OLLAMA_TOOLS = Golden(
    "ollama",
    "",
    ndjson(
        _ollama({"content": "", "thinking": "Über das Wetter…"}),
        _ollama(
            {
                "content": "",
                "tool_calls": [
                    {"function": {"name": "weather", "arguments": {"city": "Köln", "days": 2}}}
                ],
            }
        ),
        _ollama({"content": ""}, **_OLLAMA_END),
    ),
    text="",
    usage=Usage(26, 12),
    finish=FinishReason.TOOL_CALLS,
    model="llama3.2:3b",
    media="application/x-ndjson",
    tool_calls=(ToolCall("call_0", "weather", '{"city": "Köln", "days": 2}'),),
    reasoning="Über das Wetter…",
)

AZURE = Golden(
    "azure",
    "",
    sse(
        {
            "id": "",
            "object": "",
            "created": 0,
            "model": "",
            "choices": [],
            "prompt_filter_results": [
                {
                    "prompt_index": 0,
                    "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
                }
            ],
        },
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": piece}) for piece in PIECES),
        chunk({}, "stop"),
        {**chunk({}), "choices": [], "usage": OPENAI_USAGE},
        "[DONE]",
    ),
    usage=Usage(19, 10, 8, 4),
    model="gpt-5.2-2026-08-01",
    upstream_id="chatcmpl-Bz1",
)

_GROQ = {"id": "chatcmpl-fa3e", "model": "llama-3.3-70b-versatile"}
GROQ = Golden(
    "groq",
    "/openai/v1",
    sse(
        {**chunk({"role": "assistant", "content": ""}), **_GROQ, "x_groq": {"id": "req_01jb"}},
        {**chunk({"reasoning": "Ein Gruß? "}), **_GROQ},
        *({**chunk({"content": piece}), **_GROQ} for piece in PIECES),
        {
            **chunk({}, "stop"),
            **_GROQ,
            "x_groq": {
                "id": "req_01jb",
                "usage": {
                    "queue_time": 0.037,
                    "prompt_tokens": 36,
                    "prompt_time": 0.0006,
                    "completion_tokens": 11,
                    "total_tokens": 47,
                },
            },
        },
        "[DONE]",
    ),
    usage=Usage(36, 11),
    model="llama-3.3-70b-versatile",
    upstream_id="chatcmpl-fa3e",
    reasoning="Ein Gruß? ",
)

_TOGETHER = {"id": "oFuP-4-93", "model": "meta-llama/Llama-3.3-70B-Instruct-Turbo"}
TOGETHER = Golden(
    "together",
    "/v1",
    sse(
        *(
            {**chunk({"role": "assistant", "content": p, "token_id": 7}), **_TOGETHER}
            for p in PIECES
        ),
        {
            **chunk({"content": ""}, "eos"),
            **_TOGETHER,
            "usage": {"prompt_tokens": 21, "completion_tokens": 8, "total_tokens": 29},
        },
        "[DONE]",
    ),
    usage=Usage(21, 8),
    model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
    upstream_id="oFuP-4-93",
)

_LLAMACPP = {"id": "chatcmpl-Qw", "model": "/models/smollm2.gguf"}
LLAMACPP = Golden(
    "llamacpp",
    "/v1",
    sse(
        {**chunk({"role": "assistant", "content": None}), **_LLAMACPP},
        *({**chunk({"content": piece}), **_LLAMACPP} for piece in PIECES),
        {**chunk({}, "stop"), **_LLAMACPP},
        {
            **chunk({}),
            **_LLAMACPP,
            "choices": [],
            "usage": {"prompt_tokens": 31, "completion_tokens": 9},
            "timings": {"prompt_n": 31, "predicted_n": 9, "predicted_per_second": 80.1},
        },
        "[DONE]",
    ),
    usage=Usage(31, 9),
    model="/models/smollm2.gguf",
    upstream_id="chatcmpl-Qw",
)

# vLLM with continuous usage: each chunk counts what there is so far; the last one is right.
VLLM = Golden(
    "vllm",
    "/v1",
    sse(
        *(
            chunk({"content": piece}, usage={"prompt_tokens": 5, "completion_tokens": at})
            for at, piece in enumerate(PIECES)
        ),
        chunk({}, "length", usage={"prompt_tokens": 5, "completion_tokens": 4}),
        {**chunk({}), "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 4}},
        "[DONE]",
    ),
    usage=Usage(5, 4),
    finish=FinishReason.LENGTH,
    model="gpt-5.2-2026-08-01",
    upstream_id="chatcmpl-Bz1",
)

ALL = {
    "openai text": OPENAI,
    "openai tools": OPENAI_TOOLS,
    "openai refusal": OPENAI_REFUSAL,
    "mistral text": MISTRAL,
    "mistral thinking": MISTRAL_THINKING,
    "ollama text": OLLAMA,
    "ollama tools": OLLAMA_TOOLS,
    "azure text": AZURE,
    "groq text": GROQ,
    "together text": TOGETHER,
    "llama.cpp text": LLAMACPP,
    "vllm text": VLLM,
}
