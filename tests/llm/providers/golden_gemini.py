"""Gemini's documented streams: each event is a whole response."""

from __future__ import annotations

from typing import Any

from llm.providers.base import FinishReason, ToolCall, Usage
from tests.llm.providers.golden import PIECES, Golden
from tests.llm.providers.loopback import sse


def response(*parts: dict[str, Any], finish: str | None = None, **usage: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 11, "totalTokenCount": 30, **usage},
        "modelVersion": "gemini-3.1-pro-002",
        "responseId": "mKbTaPnoGYXvxN8P",
    }


_SEEN = {"model": "gemini-3.1-pro-002", "upstream_id": "mKbTaPnoGYXvxN8P"}
_USED = {"candidatesTokenCount": 9, "thoughtsTokenCount": 6, "cachedContentTokenCount": 4}
_SIGNATURE = "CpUBAdHtim8="

GEMINI = Golden(
    "gemini",
    "/v1",
    sse(
        response({"text": "Begrüßung…", "thought": True}),
        *(response({"text": piece}, candidatesTokenCount=3) for piece in PIECES[:-1]),
        response({"text": PIECES[-1]}, finish="STOP", **_USED),
    ),
    usage=Usage(11, 15, 4, 6),
    reasoning="Begrüßung…",
    **_SEEN,
)
GEMINI_TOOLS = Golden(
    "gemini",
    "/v1",
    sse(
        response(
            {
                "functionCall": {"name": "weather", "args": {"city": "Köln", "days": 2}},
                "thoughtSignature": _SIGNATURE,
            }
        ),
        response({"functionCall": {"id": "fc_9", "name": "clock", "args": {}}}),
        response({"text": ""}, finish="STOP", candidatesTokenCount=12),
    ),
    text="",
    usage=Usage(11, 12),
    finish=FinishReason.TOOL_CALLS,
    tool_calls=(
        ToolCall(f"call_0~{_SIGNATURE}", "weather", '{"city": "Köln", "days": 2}'),
        ToolCall("fc_9", "clock", "{}"),
    ),
    **_SEEN,
)
GEMINI_FILTERED = Golden(
    "gemini",
    "/v1",
    sse(
        response({"text": PIECES[0]}),
        {**response(finish="SAFETY"), "candidates": [{"finishReason": "SAFETY", "index": 0}]},
    ),
    text=PIECES[0],
    usage=Usage(11, 0),
    finish=FinishReason.CONTENT_FILTER,
    **_SEEN,
)

ALL = {
    "gemini text": GEMINI,
    "gemini tools": GEMINI_TOOLS,
    "gemini filtered": GEMINI_FILTERED,
}
