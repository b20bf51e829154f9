"""AWS Signature Version 4 for one request with a body in memory.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with an access key; ``token`` is for temporary ones."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str
    service: str = "bedrock"
    token: str = field(default="", repr=False)

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Mapping[str, str]:
        """The headers to add: ``x-amz-date``, ``authorization`` and the token, if there is one."""
        return self.sign(method, url, headers, body, datetime.now(UTC))

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> dict[str, str]:
        """:meth:`__call__` at the time *at*."""
        parts = urlsplit(url)
        stamp = at.strftime("%Y%m%dT%H%M%SZ")
        added = {"x-amz-date": stamp}
        if self.token:
            added["x-amz-security-token"] = self.token
        signed = {"host": parts.netloc, **added}
        if "content-type" in headers:
            signed["content-type"] = headers["content-type"]
        names = sorted(signed)
        canonical = "\n".join(
            (
                method,
                # Each segment is encoded once more than it stands in the request.
                quote(parts.path or "/", safe="/-_.~"),
                _canonical_query(parts.query),
                *(f"{name}:{signed[name].strip()}" for name in names),
                "",
                ";".join(names),
                hashlib.sha256(body).hexdigest(),
            )
        )
        scope = f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        added["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return added


def _canonical_query(query: str) -> str:
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in pairs)
