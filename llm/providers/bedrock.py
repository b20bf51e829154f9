"""AWS Bedrock: the Converse form, in Amazon's binary event stream.

The key is either a Bedrock API key, or ``ACCESS_KEY:SECRET_KEY`` with ``:SESSION_TOKEN`` where
there is one, which signs each request (Signature Version 4).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from llm.providers.adapters import HTTPProvider
from llm.providers.addresses import BaseUrl
from llm.providers.base import (
    ChatMessage,
    ChatOptions,
    Event,
    Finished,
    FinishReason,
    Model,
    Reasoning,
    Started,
    Text,
    ToolCallDelta,
    Usage,
)
from llm.providers.configuration import UNKNOWN, Configuration, region_of_host
from llm.providers.conversation import (
    Function,
    arguments_of,
    chosen_function,
    functions,
    system_texts,
    turns,
)
from llm.providers.errors import BadResponse, Unavailable
from llm.providers.eventstream import EventStream, Frame
from llm.providers.failures import broken_off
from llm.providers.locations import of_aws
from llm.providers.sigv4 import Signer

_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.(?:com|eu)")
_ACCESS_KEY = re.compile(r"(A[KS]IA[A-Z0-9]{8,}):([^:\s]+)(?::(\S+))?")
_PROFILES = {"eu.": "EU", "us.": "US", "us-gov.": "US", "jp.": "JP", "au.": "AU"}
_ELSEWHERE = ("global.", "apac.")

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
}


class BedrockProvider(HTTPProvider):
    """Base URL ``https://bedrock-runtime.REGION.amazonaws.com``; the model is an id or a profile.

    Option ``region`` names the region to sign for where the host does not (a proxy).
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        match = _ACCESS_KEY.fullmatch(configuration.key)
        if match is not None:
            access, secret, token = match.groups()
            region = _region(configuration)
            signer = Signer(access, secret, region, token=token or "")
            self.upstream = replace(self.upstream, headers={}, sign=signer)

    @classmethod
    def region(cls, configuration: Configuration) -> str:
        """Where it is processed: a profile's area, else the host's region.

        A profile ``eu.…`` stays within AWS's regions in the EU, but ``global.…`` does not; what
        an application's own profile or another account's ARN leads to cannot be told from it.
        """
        model = configuration.model.rsplit("/", 1)[-1]
        if model.startswith(_ELSEWHERE) or "application-inference-profile" in configuration.model:
            return UNKNOWN
        for prefix, area in _PROFILES.items():
            if model.startswith(prefix):
                return area
        match = _HOST.fullmatch(configuration.parsed_base_url().host)
        return of_aws(match[1]) if match else region_of_host(configuration)

    def unsaid(self, model: str) -> frozenset[str]:
        """Converse has no word for a seed either."""
        return super().unsaid(model) | {"seed"}

    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """The answer as events."""
        body = {**self.configuration.options.get("body", {}), **body_of(messages, options)}
        model = options.model or self.provider_model
        path = f"/model/{quote(model, safe='')}/converse-stream"
        accept = {"accept": "application/vnd.amazon.eventstream"}
        reading = _Reading(self.upstream.provider)
        async with self.upstream.call("POST", path, body, headers=accept) as answer:
            answer.require_media("eventstream")
            started = Started(answer.headers.get("x-amzn-requestid", "")[:200], model)
            # Usage comes after the end of the message: read to the end of the stream.
            async for frame in answer.items(EventStream()):
                for event in reading.events(frame, started):
                    yield event
        yield reading.end()

    async def list_models(self) -> list[Model]:
        """The models of the region, from the control plane beside the runtime."""
        runtime = self.upstream.base_url
        control = replace(
            self.upstream, base_url=_control_plane(runtime), identity=f"{self.upstream.identity}/c"
        )
        listed = await control.json("GET", "/foundation-models", seconds=20)
        rows = listed.get("modelSummaries") if isinstance(listed, Mapping) else None
        if not isinstance(rows, list):
            raise BadResponse(f"{self.upstream.provider} lists its models in an unknown form.")
        return [Model(str(row["modelId"]), str(row.get("modelName") or "")) for row in rows]

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """What the vendor counts."""
        converse = body_of(messages, ChatOptions(None))
        body = {
            "input": {"converse": {k: converse[k] for k in ("messages", "system") if k in converse}}
        }
        path = f"/model/{quote(self.provider_model, safe='')}/count-tokens"
        counted = await self.upstream.json("POST", path, body, seconds=20)
        try:
            return int(counted["inputTokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadResponse(f"{self.upstream.provider} counts in an unknown form.") from error


def body_of(messages: Sequence[ChatMessage], options: ChatOptions) -> dict[str, Any]:
    """A request in the Converse form."""
    settings: dict[str, Any] = {
        "maxTokens": options.max_tokens,
        "temperature": options.temperature,
        "topP": options.top_p,
        "stopSequences": list(options.stop) or None,
    }
    settings = {name: value for name, value in settings.items() if value is not None}
    said = [{"role": speaker, "content": content} for speaker, content in turns(messages, _blocks)]
    body: dict[str, Any] = {**options.extra, "messages": said}
    if settings:
        body["inferenceConfig"] = settings
    if system := system_texts(messages):
        body["system"] = [{"text": text} for text in system]
    # It has no word for “none”, and refuses calls in earlier messages without their tools.
    if options.tools and (options.tool_choice != "none" or any(m.tool_calls for m in messages)):
        body["toolConfig"] = {"tools": [_tool(function) for function in functions(options.tools)]}
        choice = _tool_choice(options.tool_choice)
        if choice:
            body["toolConfig"]["toolChoice"] = choice
    if options.output_schema is not None:
        schema = {"schema": json.dumps(options.output_schema), "name": "answer"}
        body["outputConfig"] = {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}
        }
    return body


def _blocks(message: ChatMessage) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        result = {"toolUseId": message.tool_call_id, "content": [{"text": message.content}]}
        yield {"toolResult": result}
        return
    for image in message.images:
        kind = image.media.partition("/")[2]
        data = base64.b64encode(image.data).decode()
        yield {"image": {"format": kind, "source": {"bytes": data}}}
    if message.content:
        yield {"text": message.content}
    for call in message.tool_calls:
        use = {"toolUseId": call.id, "name": call.name, "input": arguments_of(call)}
        yield {"toolUse": use}


def _tool(function: Function) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": function.name,
        "inputSchema": {"json": function.parameters or {"type": "object"}},
    }
    if function.description:
        made["description"] = function.description
    return {"toolSpec": made}


def _tool_choice(choice: Any) -> dict[str, Any] | None:
    if name := chosen_function(choice):
        return {"tool": {"name": name}}
    return {"auto": {"auto": {}}, "required": {"any": {}}}.get(choice)


class _Reading:
    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._started = False
        self._finish: Finished | None = None

    def events(self, frame: Frame, started: Started) -> Iterator[Event]:
        kind = frame.headers.get(":event-type", "")
        try:
            data = json.loads(frame.payload or b"{}")
        except ValueError as error:
            raise BadResponse(f"{self._provider} sent an event that is not JSON.") from error
        if frame.headers.get(":message-type") in ("exception", "error"):
            name = frame.headers.get(":exception-type") or frame.headers.get(":error-code", "")
            raise broken_off(self._provider, {"type": name, **data})
        if not self._started:
            self._started = True
            yield started
        match kind:
            case "contentBlockStart":
                use = (data.get("start") or {}).get("toolUse")
                if use:
                    index = int(data.get("contentBlockIndex") or 0)
                    identifier, name = str(use.get("toolUseId") or ""), str(use.get("name") or "")
                    yield ToolCallDelta(index, identifier, name)
            case "contentBlockDelta":
                index = int(data.get("contentBlockIndex") or 0)
                yield from self._delta(index, data.get("delta") or {})
            case "messageStop":
                raw = str(data.get("stopReason") or "end_turn")[:60]
                broken = raw.startswith("malformed_")
                reason = (
                    FinishReason.ERROR if broken else FINISH_REASONS.get(raw, FinishReason.STOP)
                )
                self._finish = Finished(reason, raw)
            case "metadata":
                yield self._usage(data.get("usage") or {})

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Iterator[Event]:
        if delta.get("text"):
            yield Text(str(delta["text"]))
        thought = (delta.get("reasoningContent") or {}).get("text")
        if thought:
            yield Reasoning(str(thought))
        arguments = (delta.get("toolUse") or {}).get("input")
        if arguments:
            yield ToolCallDelta(index, arguments=str(arguments))

    def _usage(self, used: Mapping[str, Any]) -> Usage:
        """Cached input is counted apart, and belongs to the input."""
        try:
            read = int(used.get("cacheReadInputTokens") or 0)
            written = int(used.get("cacheWriteInputTokens") or 0)
            fresh, output = int(used.get("inputTokens") or 0), int(used.get("outputTokens") or 0)
        except (TypeError, ValueError) as error:
            raise BadResponse(f"{self._provider} states its usage in an unknown form.") from error
        return Usage(fresh + read + written, output, read)

    def end(self) -> Finished:
        if not self._started:
            raise BadResponse(f"{self._provider} closed the connection without an answer.")
        if self._finish is None:
            raise Unavailable(
                f"{self._provider} closed the connection in the middle of the answer."
            )
        if self._finish.reason is FinishReason.ERROR:
            raise Unavailable(f"{self._provider} ended the answer with an error. Try again.")
        return self._finish


def _region(configuration: Configuration) -> str:
    match = _HOST.fullmatch(configuration.parsed_base_url().host)
    return match[1] if match else str(configuration.options.get("region", "us-east-1"))


def _control_plane(runtime: BaseUrl) -> BaseUrl:
    return replace(runtime, host=runtime.host.replace("bedrock-runtime", "bedrock", 1))
