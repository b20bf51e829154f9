"""Bedrock's documented streams, in frames that botocore itself reads (see the official clients)."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

from llm.providers.base import FinishReason, ToolCall, Usage
from tests.llm.providers.golden import PIECES, Golden

MEDIA = "application/vnd.amazon.eventstream"


def frame(payload: bytes, **headers: str) -> bytes:
    encoded = b""
    for name, value in headers.items():
        written = b":" + name.replace("_", "-").encode()
        encoded += bytes([len(written)]) + written + b"\x07"
        encoded += struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(kind: str, value: dict[str, Any]) -> bytes:
    return frame(
        json.dumps(value, ensure_ascii=False).encode(),
        event_type=kind,
        content_type="application/json",
        message_type="event",
    )


def exception(kind: str, value: dict[str, Any]) -> bytes:
    return frame(
        json.dumps(value).encode(),
        exception_type=kind,
        content_type="application/json",
        message_type="exception",
    )


def _delta(index: int, **delta: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})


def _end(reason: str, **usage: int) -> bytes:
    metadata = {"usage": usage, "metrics": {"latencyMs": 1275}}
    return event("messageStop", {"stopReason": reason}) + event("metadata", metadata)


BEDROCK = Golden(
    "bedrock",
    "",
    event("messageStart", {"role": "assistant"})
    + _delta(0, reasoningContent={"text": "Ein Gruß…"})
    + _delta(0, reasoningContent={"signature": "EqQBCg=="})
    + event("contentBlockStop", {"contentBlockIndex": 0})
    + b"".join(_delta(1, text=piece) for piece in PIECES)
    + event("contentBlockStop", {"contentBlockIndex": 1})
    + _end(
        "end_turn",
        inputTokens=20,
        outputTokens=14,
        totalTokens=94,
        cacheReadInputTokens=50,
        cacheWriteInputTokens=10,
    ),
    usage=Usage(80, 14, 50),
    reasoning="Ein Gruß…",
    model="a-model",
    media=MEDIA,
)
BEDROCK_TOOLS = Golden(
    "bedrock",
    "",
    event("messageStart", {"role": "assistant"})
    + event(
        "contentBlockStart",
        {
            "contentBlockIndex": 0,
            "start": {"toolUse": {"toolUseId": "tooluse_x", "name": "weather"}},
        },
    )
    + _delta(0, toolUse={"input": '{"city": "Kö'})
    + _delta(0, toolUse={"input": 'ln"}'})
    + event("contentBlockStop", {"contentBlockIndex": 0})
    + _end("tool_use", inputTokens=20, outputTokens=14, totalTokens=34),
    text="",
    usage=Usage(20, 14),
    finish=FinishReason.TOOL_CALLS,
    tool_calls=(ToolCall("tooluse_x", "weather", '{"city": "Köln"}'),),
    model="a-model",
    media=MEDIA,
)
BEDROCK_BLOCKED = Golden(
    "bedrock",
    "",
    event("messageStart", {"role": "assistant"})
    + _delta(0, text="Sorry.")
    + _end("guardrail_intervened", inputTokens=20, outputTokens=0, totalTokens=20),
    text="Sorry.",
    usage=Usage(20, 0),
    finish=FinishReason.CONTENT_FILTER,
    model="a-model",
    media=MEDIA,
)

ALL = {
    "bedrock text": BEDROCK,
    "bedrock tools": BEDROCK_TOOLS,
    "bedrock blocked": BEDROCK_BLOCKED,
}
