"""A child is started, watched, restarted with growing pauses, and stopped with all it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lexcustis import processes
from lexcustis.processes import Child, read_procfile

ROOT = Path(__file__).resolve().parents[2]


DEAF = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
)


def never() -> bool:
    return False


def child(tmp_path: Path, program: str, **values: object) -> Child:
    command = [sys.executable, "-c", program]
    return Child("part", command, tmp_path / "part.log", dict(os.environ), **values)  # type: ignore[arg-type]


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_alive(process_id: int) -> bool:
    """Whether the process runs: what has ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_the_procfile_names_every_process_with_this_interpreter() -> None:
    commands = read_procfile(ROOT / "Procfile", {"HOST": "127.0.0.1", "PORT": "8123"})
    assert set(commands) == {"web", "worker", "beat", "sealer"}
    assert commands["web"][0] == sys.executable
    assert commands["web"][commands["web"].index("--port") + 1] == "8123"


def test_its_output_goes_to_its_log(tmp_path: Path) -> None:
    part = child(tmp_path, "import sys; print('one'); print('why', file=sys.stderr)")
    part.start()
    wait_for(lambda: not part.is_running)
    assert set(part.log.read_text().split()) == {"one", "why"}


def test_one_that_dies_is_started_again_with_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LONGEST_PAUSE_SECONDS", 0.2)
    part = child(tmp_path, "raise SystemExit(3)", _pause=0.05)
    part.start()
    told: list[str] = []

    def started_again_twice() -> bool:
        told.append(part.watch())
        return part.restarts == 2

    wait_for(started_again_twice)
    lines = [line for line in told if line]
    assert "part ended (exit code 3)" in lines[0]
    assert lines[1] == "part started again"
    assert part._pause == 0.2
    part.wait_stopped(never)


def test_one_killed_by_a_signal_says_by_which(tmp_path: Path) -> None:
    part = child(tmp_path, "import time; time.sleep(60)")
    part.start()
    assert part.process is not None
    part.process.kill()
    wait_for(lambda: not part.is_running)
    assert "signal 9" in part.watch()


def test_stopping_ends_the_children_of_children_too(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)\n"
        "sys.stdout.flush(); time.sleep(60)"
    )
    part = child(tmp_path, program)
    part.start()
    wait_for(part.last_line)
    grandchild = int(part.last_line())
    assert is_alive(grandchild)
    part.ask_to_stop()
    assert part.wait_stopped(never)
    wait_for(lambda: not is_alive(grandchild))


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    part = child(tmp_path, DEAF, stop_seconds=0.3)
    part.start()
    wait_for(part.last_line)
    part.ask_to_stop()
    assert not part.wait_stopped(never)
    assert not part.is_running


def test_a_second_request_to_stop_ends_the_patience(tmp_path: Path) -> None:
    part = child(tmp_path, DEAF, stop_seconds=60)
    part.start()
    wait_for(part.last_line)
    part.ask_to_stop()
    began = time.monotonic()
    assert not part.wait_stopped(lambda: True)
    assert time.monotonic() - began < 10


def test_a_log_that_grew_too_large_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LARGEST_LOG_BYTES", 10)
    part = child(tmp_path, "print('new')")
    part.log.write_text("old and long enough\n")
    part.start()
    wait_for(lambda: not part.is_running)
    assert part.log.read_text() == "new\n"
    assert "old" in part.log.with_suffix(".log.1").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help exists on Linux alone")
def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys, time\n"
        "from lexcustis.processes import Child\n"
        "part = Child('part', [sys.executable, '-c', 'import time; time.sleep(60)'],\n"
        "    pathlib.Path(sys.argv[1]), dict(os.environ))\n"
        "part.start(); print(part.process.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "part.log")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process_id = int(parent.stdout.readline())
        assert is_alive(process_id)
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_alive(process_id))
