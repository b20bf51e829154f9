"""A receiver of webhooks, as a customer would write it from the specification alone.

Standard Webhooks 1.0: the secret is ``whsec_`` and base64; ``webhook-signature`` holds, separated
by spaces, ``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``. Nothing of the
product is imported here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.answering import Handler, answering

TOLERANCE_SECONDS = 300


class WrongSignature(Exception):
    """What arrived was not sent by whoever holds the secret, or not now, or was changed."""


def verified(secret: str, headers: dict[str, str], body: bytes, *, now: float) -> dict[str, Any]:
    """The message, if it is authentic."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    identifier, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(now - int(stamp)) > TOLERANCE_SECONDS:
        raise WrongSignature("too old or too new")
    signed = identifier.encode() + b"." + stamp.encode() + b"." + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    offered = [
        value
        for version, _, value in (
            one.partition(",") for one in headers["webhook-signature"].split()
        )
        if version == "v1"
    ]
    if not any(hmac.compare_digest(wanted, one) for one in offered):
        raise WrongSignature("no signature fits")
    message: dict[str, Any] = json.loads(body)
    return message


@dataclass
class Receiver:
    """A real HTTP server. ``statuses`` are given one after another, the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    arrived: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def __enter__(self) -> Receiver:
        receiver = self

        class Hook(Handler):
            def respond(self) -> None:
                values = {name.lower(): value for name, value in self.headers.items()}
                receiver.arrived.append((values, self.body()))
                time.sleep(receiver.pause)
                left = receiver.statuses
                self.answer(left.pop(0) if len(left) > 1 else left[0], **receiver.headers)

        self._serving = contextlib.ExitStack()
        self._address = self._serving.enter_context(answering(Hook))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._serving.close()

    @property
    def url(self) -> str:
        return f"{self._address}/hooks/usage"

    def messages(self, secret: str) -> dict[str, dict[str, Any]]:
        """What arrived, checked, each message once: doubles have the same id."""
        now = time.time()
        return {
            headers["webhook-id"]: verified(secret, headers, body, now=now)
            for headers, body in self.arrived
        }
