"""OpenAI itself: organisation and project, and a host for each region of processing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llm.providers.configuration import Configuration
from llm.providers.openai_compatible import Dialect, OpenAICompatibleProvider


class OpenAIProvider(OpenAICompatibleProvider):
    """Options ``organization`` and ``project``: whose account is billed.

    Reasoning models refuse sampling parameters, so those are left out for them.
    """

    dialect: ClassVar[Dialect] = Dialect(
        max_tokens="max_completion_tokens", fixed_sampling=r"(o\d|gpt-[5-9](?!.*chat))"
    )

    @staticmethod
    def headers(configuration: Configuration) -> Mapping[str, str]:
        """The key, and whose account it is."""
        headers = {"authorization": f"Bearer {configuration.key}"} if configuration.key else {}
        for option, header in (
            ("organization", "openai-organization"),
            ("project", "openai-project"),
        ):
            if configuration.options.get(option):
                headers[header] = str(configuration.options[option])
        return headers
