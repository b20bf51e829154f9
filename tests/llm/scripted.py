"""A provider that does exactly what a test says, and notes what was done to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from llm.providers.base import (
    BaseLLMProvider,
    ChatMessage,
    ChatOptions,
    Event,
    Finished,
    FinishReason,
    Health,
    Model,
    Started,
    Text,
    Usage,
)


@dataclass(frozen=True)
class Wait:
    """A pause, in seconds."""

    seconds: float


Step = Event | Wait | BaseException

WHOLE: tuple[Step, ...] = (
    Started("up-1", "scripted-2026"),
    Text("Hello"),
    Text(", world"),
    Usage(7, 3),
    Finished(FinishReason.STOP, "end"),
)


class Scripted(BaseLLMProvider):
    """Plays its steps once for each call."""

    provider_name = "scripted"
    provider_model = "scripted-1"
    data_region = "EU"

    def __init__(self, *steps: Step, idle_seconds: float = 60.0) -> None:
        self.steps = steps or WHOLE
        self.calls: list[tuple[Sequence[ChatMessage], ChatOptions]] = []
        self.events_sent = 0
        self.closed_at: float | None = None
        self.configuration: Any = type("Settings", (), {"idle_seconds": idle_seconds})()

    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        self.calls.append((messages, options))
        try:
            for step in self.steps:
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, BaseException):
                    raise step
                else:
                    self.events_sent += 1
                    yield step
        finally:
            self.closed_at = time.monotonic()

    async def list_models(self) -> list[Model]:
        return [Model(self.provider_model)]

    async def health_check(self) -> Health:
        return Health(ok=True, detail="It plays its script.")
