"""Simulators of vendors that others wrote, as processes on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2

from llm.providers.adapters import ConfiguredProvider
from llm.providers.configuration import Configuration
from llm.providers.registry import build, vendor
from tests.live import free_port
from tests.llm.providers.loopback import LOOPBACK

KEY = "sk-simulated-0123456789"
_START_SECONDS = 60


@contextlib.contextmanager
def serving(command: Sequence[str | Path], *, ready: str, log: Path) -> Iterator[str]:
    """Run *command* with ``{port}`` filled in until *ready* answers; its address, then its end."""
    port = free_port()
    filled = [str(word).replace("{port}", str(port)) for word in command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            filled,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        )
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(url + ready):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def adapter(vendor_key: str, base_url: str, **values: Any) -> ConfiguredProvider:
    """Our adapter for *vendor_key*, pointed at a simulator."""
    return build(
        Configuration(
            vendor(vendor_key),
            identity=f"{vendor_key} {base_url}",
            name="The simulator",
            base_url=base_url,
            **{"model": "a-model", "key": KEY, "networks": LOOPBACK, **values},
        )
    )


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code < 500
    except httpx2.HTTPError:
        return False
