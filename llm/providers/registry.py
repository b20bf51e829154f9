"""The vendors: a row for each, and plug-ins from other packages.

A server that speaks OpenAI's form is one more row. A package brings a vendor of its own with an
entry point in the group ``lexcustis.providers`` that loads a
:class:`~llm.providers.configuration.Vendor`.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import cast

import structlog

from llm.providers.adapters import ConfiguredProvider
from llm.providers.configuration import SELF_HOSTED, UNKNOWN, Configuration, Vendor

ENTRY_POINT_GROUP = "lexcustis.providers"

_OPENAI_FORM = "llm.providers.openai_compatible:OpenAICompatibleProvider"

BUILT_IN: tuple[Vendor, ...] = (
    Vendor(
        "mistral",
        "Mistral AI",
        "mistral_ai",
        "llm.providers.mistral:MistralProvider",
        base_url="https://api.mistral.ai/v1",
        hosts={"api.mistral.ai": UNKNOWN, "api.eu.mistral.ai": "EU", "api.us.mistral.ai": "US"},
    ),
    Vendor(
        "ollama",
        "Ollama",
        "ollama",
        "llm.providers.ollama:OllamaProvider",
        base_url="http://127.0.0.1:11434",
        hosts={"ollama.com": UNKNOWN, "api.ollama.com": UNKNOWN},
        needs_key=False,
    ),
    Vendor(
        "openai",
        "OpenAI",
        "openai",
        "llm.providers.openai:OpenAIProvider",
        base_url="https://api.openai.com/v1",
        hosts={
            "api.openai.com": UNKNOWN,
            "eu.api.openai.com": "EU",
            "us.api.openai.com": "US",
            "au.api.openai.com": "AU",
            "jp.api.openai.com": "JP",
            "in.api.openai.com": "IN",
            "ae.api.openai.com": "AE",
        },
    ),
    Vendor(
        "anthropic",
        "Anthropic",
        "anthropic",
        "llm.providers.anthropic:AnthropicProvider",
        base_url="https://api.anthropic.com/v1",
        hosts={"api.anthropic.com": UNKNOWN},
    ),
    Vendor(
        "gemini",
        "Google Gemini",
        "gcp.gemini",
        "llm.providers.gemini:GeminiProvider",
        base_url="https://generativelanguage.googleapis.com/v1",
        hosts={"generativelanguage.googleapis.com": UNKNOWN},
    ),
    Vendor("vertex", "Google Vertex AI", "gcp.vertex_ai", "llm.providers.vertex:VertexProvider"),
    Vendor("bedrock", "AWS Bedrock", "aws.bedrock", "llm.providers.bedrock:BedrockProvider"),
    Vendor("azure", "Azure OpenAI", "azure.ai.openai", "llm.providers.azure:AzureProvider"),
    # Neither says where it processes: the region is for the contract to declare.
    Vendor(
        "groq",
        "Groq",
        "groq",
        _OPENAI_FORM,
        base_url="https://api.groq.com/openai/v1",
        dialect={
            "max_tokens": "max_completion_tokens",
            "untold": ("logit_bias", "verbosity"),
        },
    ),
    Vendor(
        "together", "Together AI", "together", _OPENAI_FORM, base_url="https://api.together.ai/v1"
    ),
    Vendor(
        "openai_compatible",
        "OpenAI-compatible server",
        "openai_compatible",
        _OPENAI_FORM,
        needs_key=False,
    ),
    Vendor(
        "vllm",
        "vLLM",
        "vllm",
        _OPENAI_FORM,
        base_url="http://127.0.0.1:8000/v1",
        needs_key=False,
        dialect={"health": "/health", "tokenize": "messages"},
    ),
    Vendor(
        "llamacpp",
        "llama.cpp",
        "llama.cpp",
        _OPENAI_FORM,
        base_url="http://127.0.0.1:8080/v1",
        needs_key=False,
        dialect={"health": "/health", "tokenize": "content"},
    ),
    Vendor(
        "lmstudio",
        "LM Studio",
        "lmstudio",
        _OPENAI_FORM,
        base_url="http://127.0.0.1:1234/v1",
        needs_key=False,
    ),
    Vendor(
        "localai",
        "LocalAI",
        "localai",
        _OPENAI_FORM,
        base_url="http://127.0.0.1:8080/v1",
        needs_key=False,
        dialect={"health": "/readyz"},
    ),
    Vendor(
        "simulated",
        "Simulated model",
        "simulated",
        "llm.providers.simulated:SimulatedProvider",
        region=SELF_HOSTED,
        needs_key=False,
    ),
)

_log = structlog.get_logger(__name__)


class UnknownVendor(LookupError):
    """No vendor has this key; the message lists those that there are."""


@cache
def vendors() -> dict[str, Vendor]:
    """All vendors by key. A plug-in may add one, never replace one."""
    found = {vendor.key: vendor for vendor in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            vendor = entry.load()
        except Exception:  # a broken plug-in must not take the others down
            _log.exception("provider_plugin_failed", entry_point=entry.value)
            continue
        if not isinstance(vendor, Vendor) or vendor.key in found:
            _log.error("provider_plugin_refused", entry_point=entry.value)
            continue
        found[vendor.key] = vendor
    return found


def vendor(key: str) -> Vendor:
    """The vendor named *key*. Raises :class:`UnknownVendor`."""
    try:
        return vendors()[key]
    except KeyError:
        names = ", ".join(sorted(vendors()))
        raise UnknownVendor(f"There is no vendor “{key}”. There are: {names}.") from None


def adapter(of: Vendor) -> type[ConfiguredProvider]:
    """The adapter class of a vendor."""
    if not isinstance(of.adapter, str):
        return of.adapter
    module, _, name = of.adapter.partition(":")
    return cast(type[ConfiguredProvider], getattr(importlib.import_module(module), name))


def build(configuration: Configuration) -> ConfiguredProvider:
    """An adapter that is ready to call; nothing is sent.

    Raises :class:`~llm.providers.addresses.UnsafeAddress` for a base URL that may not be called.
    """
    return adapter(configuration.vendor)(configuration)


def region(configuration: Configuration) -> str:
    """Where calls with *configuration* are processed, as far as it can be known before."""
    return adapter(configuration.vendor).region(configuration)
