"""Time and memory of another process, start-up included, as the kernel counted them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.ledger_instance import ROOT

# A small process in between: a child's peak memory begins with that of the process it came from.
_MEASURE = """
import os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
said = process.stdout.read()
_pid, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - started
print(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
print(said.decode())
"""


@dataclass(frozen=True)
class Measured:
    """A process that has ended: seconds of CPU and of the clock, peak resident KiB, its output."""

    cpu: float
    wall: float
    peak: int
    status: int
    said: str
    complaint: str


def measured(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Measured:
    """Run *command* in the repository's root to its end."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _MEASURE, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    figures, _, said = done.stdout.partition("\n")
    cpu, wall, peak, status = figures.split()
    return Measured(float(cpu), float(wall), int(peak), int(status), said, done.stderr)
