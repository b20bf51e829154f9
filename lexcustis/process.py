"""Becomes one process of the Procfile: ``python -m lexcustis.process web``.

For containers and service managers, which watch and restart processes themselves. ``HOST`` and
``PORT`` say where the web process listens, by default 127.0.0.1:8000.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lexcustis.processes import read_procfile

PROCFILE = Path(__file__).resolve().parent.parent / "Procfile"


def main(arguments: list[str]) -> int:  # noqa: RET503 - execvpe does not return
    """Replace this process by the one named; 2 where there is none of that name."""
    environment = {"HOST": "127.0.0.1", "PORT": "8000"} | os.environ
    commands = read_procfile(PROCFILE, environment)
    if len(arguments) != 1 or arguments[0] not in commands:
        sys.stderr.write(f"usage: python -m lexcustis.process {'|'.join(commands)}\n")
        return 2
    command = commands[arguments[0]]
    os.chdir(PROCFILE.parent)
    os.execvpe(command[0], command, environment)  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
