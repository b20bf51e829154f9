"""Time to the first token that the whole turn adds over a direct call to the same upstream.

One loopback server that speaks OpenAI's form; the product as its Procfile runs it, with a durable
PostgreSQL, an API key, a route, and both records; requests go in turns to either. Prints one line
of JSON: the median of the rounds' differences of medians, in milliseconds.

    python benchmarks/first_token.py [--rounds 7] [--requests 20]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

GOAL_MS = 10.0
CHUNKS = 20


def main() -> int:
    """Measure, print, and say by the exit code whether the goal was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--upstream", type=int, help="be the upstream, on this port")
    arguments = parser.parse_args()
    if arguments.upstream:
        asyncio.run(upstream(arguments.upstream))
        return 0
    with product() as (direct, ours):
        for _ in range(30):  # the first requests of a process load what later ones have
            direct.first_token()
            ours.first_token()
        rounds = [measure(direct, ours, arguments.requests) for _ in range(arguments.rounds)]
    added = statistics.median(ours_ms - direct_ms for direct_ms, ours_ms in rounds)
    figure = {
        "figure": "time to first token added over a direct call, median",
        "value": round(added, 2),
        "unit": "ms",
        "goal": f"<= {GOAL_MS:g}",
        "reference": f"direct call: {statistics.median(d for d, _ in rounds):.2f} ms",
        "met": added <= GOAL_MS,
    }
    print(json.dumps(figure))
    return 0 if added <= GOAL_MS else 1


def measure(direct: Client, ours: Client, requests: int) -> tuple[float, float]:
    """One round: the medians of both in milliseconds, asked in turns."""
    times = [(direct.first_token(), ours.first_token()) for _ in range(requests)]
    return (
        statistics.median(pair[0] for pair in times) * 1000,
        statistics.median(pair[1] for pair in times) * 1000,
    )


class Client:
    """One kept connection, so that nothing of a library's own is measured."""

    def __init__(self, port: int, path: str, headers: dict[str, str], body: object, mark: bytes):
        data = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(data)}"]
        lines += ["Content-Type: application/json", *(f"{k}: {v}" for k, v in headers.items())]
        self._request = "\r\n".join(lines).encode() + b"\r\n\r\n" + data
        self._mark = mark
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first_token(self) -> float:
        """Seconds from the request to the first piece of text; the rest is read as well."""
        began, first, received = time.perf_counter(), 0.0, b""
        self._socket.sendall(self._request)
        while not received.endswith(b"0\r\n\r\n"):
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError(received[:500])
            received += piece
            if not first and self._mark in received:
                first = time.perf_counter() - began
        if not first:
            raise ValueError(received[:500])
        return first


async def upstream(port: int) -> None:
    """Answer every request with the same stream of chunks in OpenAI's form."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "bench"}

    def line(choices: list[object], **more: object) -> bytes:
        data = f"data: {json.dumps({**chunk, 'choices': choices, **more})}\n\n".encode()
        return f"{len(data):x}\r\n".encode() + data + b"\r\n"

    text = line([{"index": 0, "delta": {"content": "word "}, "finish_reason": None}])
    usage = {"prompt_tokens": 5, "completion_tokens": CHUNKS, "total_tokens": CHUNKS + 5}
    last = line([{"index": 0, "delta": {}, "finish_reason": "stop"}]) + line([], usage=usage)
    done = b"data: [DONE]\n\n"
    last += f"{len(done):x}\r\n".encode() + done + b"\r\n0\r\n\r\n"
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                length = request.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                writer.write(head + text)
                for _ in range(CHUNKS - 1):
                    await asyncio.sleep(0.001)
                    writer.write(text)
                writer.write(last)
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


@contextlib.contextmanager
def product() -> Iterator[tuple[Client, Client]]:
    """Upstream and product, each in a process of its own, and a client for each."""
    home = Path(tempfile.mkdtemp(prefix="lexcustis-benchmark-"))
    home.chmod(0o755)
    os.environ |= {"LEXCUSTIS_DEMO": "1", "LEXCUSTIS_HOME": str(home)}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lexcustis.settings")
    from lexcustis.embedded import servers

    with contextlib.ExitStack() as stack:
        os.environ.update(stack.enter_context(servers(home)))
        upstream_port, our_port = free_port(), free_port()
        key = prepare(upstream_port)
        command = [sys.executable, __file__, "--upstream", str(upstream_port)]
        stack.enter_context(running(command, upstream_port))
        stack.enter_context(running(web("lexcustis.asgi:application", our_port), our_port))
        question = {"model": "bench", "messages": [{"role": "user", "content": "Hi"}]}
        direct = Client(
            upstream_port, "/v1/chat/completions", {}, {**question, "stream": True}, b'"content"'
        )
        headers = {"Authorization": f"Bearer {key}"}
        ours = Client(our_port, "/api/v1/chat", headers, {"message": "Hi"}, b"event: text")
        yield direct, ours


def web(application: str, port: int, *options: str) -> list[str]:
    """The command of one web process, as the Procfile has it."""
    command = [sys.executable, "-m", "uvicorn", application, *options]
    command += ["--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop"]
    command += ["--http", "httptools", "--lifespan", "on", "--no-access-log"]
    return [*command, "--no-server-header", "--log-level", "warning"]


def prepare(upstream_port: int) -> str:
    """A migrated database with one organisation, its provider, and an API key's text."""
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    call_command("migrate", verbosity=0)
    from llm import provider_settings
    from orgs.keys import create_key
    from orgs.members import add_member
    from orgs.models import User
    from orgs.organisations import create_organisation
    from orgs.roles import Permission, Role
    from orgs.tenancy import tenant_of

    organisation = create_organisation(name="Benchmark", slug="benchmark")
    user = User.objects.create_user("bench@example.org", name="Bench")
    tenant = tenant_of(add_member(organisation, user, Role.ADMINISTRATOR))
    provider_settings.create(
        tenant=tenant,
        name="Upstream",
        vendor="openai_compatible",
        base_url=f"http://127.0.0.1:{upstream_port}/v1",
        default_model="bench",
        data_region="self-hosted",
    )
    _, text = create_key(tenant, name="benchmark", scopes=[Permission.CHAT])
    connections.close_all()
    return text


@contextlib.contextmanager
def running(
    command: list[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process, from the moment it listens."""
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            deadline = time.monotonic() + 120
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"did not start: {' '.join(command)}")
                time.sleep(0.1)
            yield process
        finally:
            process.terminate()


def free_port() -> int:
    """A port on the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
