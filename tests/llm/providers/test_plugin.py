"""A vendor from another package, installed as packages are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLUGIN = Path(__file__).parent / "plugin"
ROOT = Path(__file__).parents[3]

PROGRAM = """
import asyncio
from llm.providers.base import ChatMessage
from llm.providers.configuration import Configuration
from llm.providers.mistral import MistralProvider
from llm.providers.registry import adapter, build, vendor, vendors

echo = build(Configuration(vendor("echo"), "id", "Echo", "echo-1", declared_region="FR"))
answer = asyncio.run(echo.chat([ChatMessage("user", "Hello from afar")]))
assert answer.text == "Hello from afar", answer
assert (echo.provider_name, echo.data_region) == ("echo", "FR")
assert adapter(vendor("mistral")) is MistralProvider, "a plug-in replaced a vendor"
assert "broken" not in vendors()
print("answered")
"""


def test_an_installed_package_adds_a_vendor_and_replaces_none(tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    subprocess.run(
        [uv, "pip", "install", "-q", "--offline", "--no-deps", "--target", tmp_path, PLUGIN],
        check=True,
        timeout=100,
    )
    answered = subprocess.run(  # noqa: PLW1510 - its words are shown where it fails
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.endswith("answered\n")
    assert "provider_plugin_refused" in answered.stdout + answered.stderr
    assert "provider_plugin_failed" in answered.stdout + answered.stderr
