"""Real servers for tests: in a process of their own, or in a thread of this one.

``live_server_process`` starts uvicorn as a child against the test database, so that a test can kill
it. ``web_server`` runs the same application in a thread, so that a test can look inside.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

START_SECONDS = 30
ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port on the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class ServerProcess:
    """The application under uvicorn, in a process of its own."""

    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [sys.executable, "-m", "uvicorn", "lexcustis.asgi:application"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--lifespan", "on"]
        command += ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "2"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, "the server ended at once"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL: it gets no chance to say anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as an operator would."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@pytest.fixture
def live_server_process(database_url: str) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers: call it with extra environment variables, get a running one each time."""
    servers: list[ServerProcess] = []

    def start(**extra: str) -> ServerProcess:
        environment = {
            **os.environ,
            "LEXCUSTIS_DEMO": "1",
            "DATABASE_URL": database_url,
            "PYTHONPATH": str(ROOT),
            **extra,
        }
        server = ServerProcess(environment)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def web_server(database: None) -> Iterator[str]:
    """The address of the application in a thread of this process."""
    import uvicorn

    from lexcustis.asgi import application

    port = free_port()
    config = uvicorn.Config(
        application, host="127.0.0.1", port=port, lifespan="on", log_level="warning"
    )
    config.access_log = False
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        assert thread.is_alive(), "the server ended at once"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = server.force_exit = True
    thread.join(30)


def signed_in(url: str, tenant: Any, **options: Any) -> httpx2.Client:
    """A browser's client: the session of *tenant*'s person, and the CSRF token as a header."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(tenant.user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = tenant.user.get_session_auth_hash()
    session.save()
    token = "a" * 32
    return httpx2.Client(
        base_url=url,
        cookies={"session": str(session.session_key), "csrf": token},
        headers={"X-CSRFToken": token, "Referer": url},
        **options,
    )


def with_key(url: str, text: str, **options: Any) -> httpx2.Client:
    """A program's client with an API key."""
    return httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {text}"}, **options)
