"""Anthropic's documented streams."""

from __future__ import annotations

from typing import Any

from llm.providers.base import FinishReason, ToolCall, Usage
from tests.llm.providers.golden import PIECES, Golden
from tests.llm.providers.loopback import sse


def _start(**usage: Any) -> tuple[str, dict[str, Any]]:
    message = {
        "id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude-sonnet-4-6-20260217",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1, "inference_geo": "us", **usage},
    }
    return ("message_start", {"type": "message_start", "message": message})


def _block(index: int, **block: Any) -> tuple[str, dict[str, Any]]:
    event = {"type": "content_block_start", "index": index, "content_block": block}
    return ("content_block_start", event)


def _delta(index: int, **delta: Any) -> tuple[str, dict[str, Any]]:
    event = {"type": "content_block_delta", "index": index, "delta": delta}
    return ("content_block_delta", event)


def _stop(index: int) -> tuple[str, dict[str, Any]]:
    return ("content_block_stop", {"type": "content_block_stop", "index": index})


def _end(reason: str, **usage: Any) -> list[tuple[str, dict[str, Any]]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        ("message_delta", {"type": "message_delta", "delta": delta, "usage": usage}),
        ("message_stop", {"type": "message_stop"}),
    ]


_SEEN = {
    "model": "claude-sonnet-4-6-20260217",
    "upstream_id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY",
    "location": "us",
}

ANTHROPIC = Golden(
    "anthropic",
    "/v1",
    sse(
        _start(cache_creation_input_tokens=100, cache_read_input_tokens=40),
        _block(0, type="text", text=""),
        ("ping", {"type": "ping"}),
        *(_delta(0, type="text_delta", text=piece) for piece in PIECES),
        _stop(0),
        ("a_new_event", {"type": "a_new_event", "future": True}),
        *_end("end_turn", output_tokens=15),
    ),
    usage=Usage(165, 15, 40),
    **_SEEN,
)

ANTHROPIC_TOOLS = Golden(
    "anthropic",
    "/v1",
    sse(
        _start(),
        _block(0, type="thinking", thinking="", signature=""),
        _delta(0, type="thinking_delta", thinking="Das Wetter in Köln…"),
        _delta(0, type="signature_delta", signature="EqQBCgIYAhIM1gbcDa9GJwZA2b3h"),
        _stop(0),
        _block(1, type="text", text=""),
        *(_delta(1, type="text_delta", text=piece) for piece in PIECES),
        _stop(1),
        _block(2, type="tool_use", id="toolu_01T1x", name="weather", input={}),
        _delta(2, type="input_json_delta", partial_json=""),
        _delta(2, type="input_json_delta", partial_json='{"city": "Kö'),
        _delta(2, type="input_json_delta", partial_json='ln", "days": 2}'),
        _stop(2),
        *_end("tool_use", output_tokens=89, input_tokens=25),
    ),
    usage=Usage(25, 89),
    finish=FinishReason.TOOL_CALLS,
    tool_calls=(ToolCall("toolu_01T1x", "weather", '{"city": "Köln", "days": 2}'),),
    reasoning="Das Wetter in Köln…",
    **_SEEN,
)

ANTHROPIC_REFUSAL = Golden(
    "anthropic",
    "/v1",
    sse(
        _start(),
        _block(0, type="text", text=""),
        _delta(0, type="text_delta", text="No."),
        _stop(0),
        *_end("refusal", output_tokens=2),
    ),
    text="No.",
    usage=Usage(25, 2),
    finish=FinishReason.REFUSAL,
    **_SEEN,
)

ALL = {
    "anthropic text": ANTHROPIC,
    "anthropic tools": ANTHROPIC_TOOLS,
    "anthropic refusal": ANTHROPIC_REFUSAL,
}
