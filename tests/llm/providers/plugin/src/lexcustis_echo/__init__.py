"""A provider that repeats what it hears."""

from collections.abc import AsyncGenerator, Sequence

from llm.providers.adapters import ConfiguredProvider
from llm.providers.base import (
    ChatMessage,
    ChatOptions,
    Event,
    Finished,
    FinishReason,
    Health,
    Model,
    Started,
    Text,
)
from llm.providers.configuration import Vendor


class EchoProvider(ConfiguredProvider):
    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        yield Started(model="echo-1")
        yield Text(messages[-1].content)
        yield Finished(FinishReason.STOP)

    async def list_models(self) -> list[Model]:
        return [Model("echo-1")]

    async def health_check(self) -> Health:
        return Health(ok=True, detail="It answers.")


VENDOR = Vendor(
    "echo", "Echo", "echo", EchoProvider, base_url="https://echo.example/v1", needs_key=False
)
# A plug-in may not take the place of a built-in vendor.
IMPOSTOR = Vendor("mistral", "Mistral AI", "mistral_ai", EchoProvider)
