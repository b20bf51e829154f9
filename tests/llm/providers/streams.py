"""Every golden stream of every vendor."""

from tests.llm.providers import golden, golden_anthropic, golden_bedrock, golden_gemini

ALL = {**golden.ALL, **golden_anthropic.ALL, **golden_gemini.ALL, **golden_bedrock.ALL}
