"""The signer in a process of its own, reached over a Unix socket.

One JSON object a line each way. Whoever may open the socket may have heads signed that extend
what was signed before, and nothing else: the key never leaves the signer, and the past is safe
even from its callers.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import socketserver
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from audit.notes import Head
from audit.signer import LocalSigner, Refusal, Request, SignerUnavailable

_TIMEOUT_SECONDS = 10.0
_MAX_LINE = 64 * 1024 * 1024


class RemoteSigner:
    """A signer behind a socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def heads(self, origins: Iterable[str]) -> dict[str, Head]:
        """The last head signed for each of the logs that the signer knows."""
        return _read_heads(self._ask("heads", list(origins)))

    def all_heads(self) -> dict[str, Head]:
        """The last head signed for every log that the signer knows."""
        return _read_heads(self._ask("all_heads", None))

    def sign(self, requests: Sequence[Request]) -> list[str | Refusal]:
        """A signed note, or a refusal, for each request."""
        asked = [
            {
                "head": _write_head(request.head),
                "old_size": request.old_size,
                "proof": [base64.b64encode(item).decode() for item in request.proof],
            }
            for request in requests
        ]
        answers = self._ask("sign", asked)
        return [
            answer
            if isinstance(answer, str)
            else Refusal(answer["reason"], _read_head(answer["known"]))
            for answer in answers
        ]

    def sign_manifest(self, sha256: bytes) -> str:
        """A signed note over a bundle's manifest."""
        return str(self._ask("sign_manifest", sha256.hex()))

    def verification_keys(self) -> list[str]:
        """The vkeys, the one that signs first, then those it replaced."""
        return list(self._ask("verification_keys", None))

    def second_keys(self) -> list[str]:
        """The vkeys of the second signature, if it is made, the newest first."""
        return list(self._ask("second_keys", None))

    def _ask(self, method: str, value: Any) -> Any:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_TIMEOUT_SECONDS)
                connection.connect(str(self._path))
                connection.sendall(json.dumps([method, value]).encode() + b"\n")
                with connection.makefile("rb") as answers:
                    line = answers.readline(_MAX_LINE)
            answer = json.loads(line)
        except (OSError, ValueError) as error:
            raise SignerUnavailable(f"The signer at {self._path} does not answer.") from error
        if "error" in answer:
            raise SignerUnavailable(answer["error"])
        return answer["value"]


class SignerServer(socketserver.ThreadingUnixStreamServer):
    """Serves one store; the socket admits its own user and group."""

    daemon_threads = True

    def __init__(self, path: Path, local: LocalSigner) -> None:
        self.local = local
        path.unlink(missing_ok=True)
        before = os.umask(0o117)
        try:
            super().__init__(str(path), _Handler)
        finally:
            os.umask(before)


class _Handler(socketserver.StreamRequestHandler):
    timeout = _TIMEOUT_SECONDS

    def handle(self) -> None:
        """Answer one request."""
        local = cast(SignerServer, self.server).local
        try:
            method, value = json.loads(self.rfile.readline(_MAX_LINE))
            answer = {"value": _answer(local, method, value)}
        except SignerUnavailable as error:
            answer = {"error": str(error)}
        except (ValueError, KeyError, TypeError):
            answer = {"error": "The signer did not understand."}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def _answer(local: LocalSigner, method: str, value: Any) -> Any:
    match method:
        case "heads":
            return [_write_head(head) for head in local.heads(value).values()]
        case "all_heads":
            return [_write_head(head) for head in local.all_heads().values()]
        case "verification_keys":
            return local.verification_keys()
        case "second_keys":
            return local.second_keys()
        case "sign_manifest":
            return local.sign_manifest(bytes.fromhex(value))
        case "sign":
            answers = local.sign([_read_request(item) for item in value])
            return [
                answer
                if isinstance(answer, str)
                else {"reason": answer.reason, "known": _write_head(answer.known)}
                for answer in answers
            ]
    raise ValueError(method)


def _read_request(item: Any) -> Request:
    proof = [base64.b64decode(hash_) for hash_ in item["proof"]]
    return Request(_read_head(item["head"]), item["old_size"], proof)


def _write_head(head: Head) -> list[Any]:
    return [head.origin, head.size, base64.b64encode(head.root).decode()]


def _read_head(value: Any) -> Head:
    origin, size, root = value
    return Head(str(origin), int(size), base64.b64decode(root))


def _read_heads(values: Any) -> dict[str, Head]:
    heads = [_read_head(value) for value in values]
    return {head.origin: head for head in heads}
