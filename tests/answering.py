"""Somebody else's server on loopback, in a thread of this process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers, and says nothing about it on the terminal."""

    def respond(self) -> None:
        """Answer what was asked: for the server that it is."""
        raise NotImplementedError("Each server says itself what it answers.")

    def do_GET(self) -> None:
        """Asked."""
        self.respond()

    def do_POST(self) -> None:
        """Sent."""
        self.respond()

    def answer(self, status: int, data: bytes = b"", **headers: str) -> None:
        """Send an answer whole; in names of *headers* an underscore stands for a dash."""
        self.begin(status, data, **headers)
        self.wfile.write(data)

    def begin(self, status: int, data: bytes = b"", **headers: str) -> None:
        """Send only what comes before *data*."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()

    def body(self) -> bytes:
        """What was sent here."""
        return self.rfile.read(int(self.headers["content-length"]))

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def answering(handler: type[Handler]) -> Iterator[str]:
    """The server's address, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
