"""Runs the benchmarks one after another: ``make bench``, ``make bench ONLY=start SCALE=full``.

Each is a module of this folder that can be run by itself and prints what it measured, a line of
JSON for each figure; whatever else is to be said goes to standard error. They start servers of
their own and want the machine for themselves. The campaigns, which try to break promises, are run
by ``make prove``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SCALES = ("ci", "full")


def benchmarks() -> list[str]:
    """The modules of this folder that can be run, by name."""
    return sorted(
        path.stem
        for path in FOLDER.glob("*.py")
        if not path.stem.startswith("_") and '__name__ == "__main__"' in path.read_text()
    )


def main() -> int:
    """Run those asked for; 1 where one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--scale", choices=SCALES, default=SCALES[0])
    parser.add_argument("--campaigns", action="store_true", help="the campaigns, not the rest")
    parser.add_argument("only", nargs="*", help=f"some of: {', '.join(benchmarks())}")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.only) - set(benchmarks()))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; see --help")
    failed = []
    kind = [name for name in benchmarks() if name.endswith("_campaign") == arguments.campaigns]
    for name in arguments.only or kind:
        print(f"== {name}", file=sys.stderr)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"],
            cwd=FOLDER.parent,
            env=os.environ | {"SCALE": arguments.scale},
            check=False,
        )
        print(f"== {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        if done.returncode != 0:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
