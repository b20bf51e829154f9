"""Azure OpenAI: OpenAI's form at a resource of one's own, where a model is a deployment.

The newer address ``https://RESOURCE.openai.azure.com/openai/v1`` takes the deployment as the
model. The dated one puts it into the path and needs the option ``api_version``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from llm.providers.base import Model
from llm.providers.configuration import UNKNOWN, Configuration, region_of_host
from llm.providers.openai_compatible import Dialect, OpenAICompatibleProvider


class AzureProvider(OpenAICompatibleProvider):
    """Where it processes is the resource's region, which only its owner knows: it is declared.

    Options: ``api_version`` (such as ``2024-10-21``), and ``deployment_type`` as Azure names it: a
    deployment whose type begins with ``Global`` may be processed anywhere.
    """

    dialect: ClassVar[Dialect] = Dialect(
        max_tokens="max_completion_tokens", fixed_sampling=r"(o\d|gpt-[5-9](?!.*chat))"
    )

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self._version = str(configuration.options.get("api_version", ""))
        if not self._version and not self.upstream.base_url.path:
            url = replace(self.upstream.base_url, path="/openai/v1")
            self.upstream = replace(self.upstream, base_url=url)

    @classmethod
    def region(cls, configuration: Configuration) -> str:
        """The declared region, unless the deployment is global."""
        if str(configuration.options.get("deployment_type", "")).lower().startswith("global"):
            return UNKNOWN
        return region_of_host(configuration)

    @staticmethod
    def headers(configuration: Configuration) -> Mapping[str, str]:
        """Azure's own header for keys."""
        return {"api-key": configuration.key} if configuration.key else {}

    def chat_path(self, model: str) -> str:
        """The path of the deployment where the address is a dated one."""
        return self._deployment(model, super().chat_path(model))

    def embeddings_path(self, model: str) -> str:
        """The same for embeddings."""
        return self._deployment(model, super().embeddings_path(model))

    def _deployment(self, model: str, path: str) -> str:
        if not self._version:
            return path
        deployment, version = quote(model, safe=""), quote(self._version, safe="")
        return f"/openai/deployments/{deployment}{path}?api-version={version}"

    async def list_models(self) -> list[Model]:
        """The models that the resource could deploy."""
        if not self._version:
            return await super().list_models()
        version = quote(self._version, safe="")
        listed: Any = await self.upstream.json(
            "GET", f"/openai/models?api-version={version}", seconds=20
        )
        return [Model(str(row["id"])) for row in listed.get("data", ()) if row.get("id")]
