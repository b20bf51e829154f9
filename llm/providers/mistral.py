"""Mistral: OpenAI's form with words of its own.

Its default host is global; only ``api.eu.mistral.ai`` keeps processing in the EU.
"""

from __future__ import annotations

from typing import ClassVar

from llm.providers.openai_compatible import Dialect, OpenAICompatibleProvider


class MistralProvider(OpenAICompatibleProvider):
    """Usage comes in the last chunk without asking, and asking is an error."""

    dialect: ClassVar[Dialect] = Dialect(
        asks_usage=False,
        seed="random_seed",
        required_tool="any",
        untold=("logit_bias", "verbosity"),
        dimensions="output_dimension",
    )
