"""Access tokens of Google's service accounts: a signed claim is exchanged for one (RFC 7523)."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from llm.providers.addresses import parse_base_url
from llm.providers.errors import BadResponse, Unauthorised
from llm.providers.http import Upstream

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# A token is replaced so long before it ends that no call outlives it.
_EARLY_SECONDS = 300.0
_MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    ends: float


_tokens: dict[tuple[str, bytes], _Token] = {}


async def access_token(upstream: Upstream, service_account: str) -> str:
    """A token for *service_account*, the JSON that Google gives out; kept until it nears its end.

    Raises :class:`~llm.providers.errors.ProviderError`.
    """
    known = (upstream.identity, hashlib.sha256(service_account.encode()).digest())
    token = _tokens.get(known)
    if token is None or token.ends - _EARLY_SECONDS < time.time():
        token = await _fetch(upstream, service_account)
        if len(_tokens) >= _MAX_TOKENS:
            _tokens.pop(next(iter(_tokens)))
        _tokens[known] = token
    return token.value


async def _fetch(upstream: Upstream, service_account: str) -> _Token:
    account = _account(service_account)
    # The same guard as for any address, since this one comes from what somebody pasted.
    url = parse_base_url(str(account.get("token_uri") or "https://oauth2.googleapis.com/token"))
    exchange = replace(
        upstream, base_url=url, headers={}, sign=None, identity=f"{upstream.identity}/token"
    )
    form = urlencode({"grant_type": GRANT, "assertion": _assertion(account, str(url))}).encode()
    answer = await exchange.json(
        "POST", "", form, headers={"content-type": "application/x-www-form-urlencoded"}, seconds=20
    )
    try:
        return _Token(str(answer["access_token"]), time.time() + float(answer["expires_in"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadResponse(f"{upstream.provider} gave no access token.") from error


def _account(service_account: str) -> dict[str, Any]:
    try:
        account = json.loads(service_account)
        if isinstance(account, dict) and account["client_email"] and account["private_key"]:
            return account
    except (KeyError, ValueError):
        pass
    raise Unauthorised("The key is not the JSON of a service account. Set it again, all of it.")


def _assertion(account: dict[str, Any], audience: str) -> str:
    now = int(time.time())
    header = {"alg": "RS256", "typ": "JWT", "kid": account.get("private_key_id", "")}
    claims = {
        "iss": account["client_email"],
        "scope": SCOPE,
        "aud": audience,
        "iat": now,
        "exp": now + 3600,
    }
    signed = f"{_encoded(header)}.{_encoded(claims)}"
    try:
        key = serialization.load_pem_private_key(account["private_key"].encode(), None)
    except (TypeError, ValueError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Unauthorised("The private key in the service account's JSON cannot be read.")
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_base64(signature)}"


def _encoded(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
