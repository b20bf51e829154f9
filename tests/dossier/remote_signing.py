"""A signing service on loopback: the three calls of the CSC API (version 1) that a seal needs."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from tests.answering import Handler, answering

TOKEN, PIN, CREDENTIAL = "token of the service", "4711", "seal-1"
_SHA256, _SHA256_WITH_RSA = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.11"


class Refused(Exception):
    """A request that is not answered: the status."""


class SigningService:
    """Signs a hash once for each leave, which is given for this hash and against the PIN."""

    def __init__(self, key: RSAPrivateKey, chain: list[x509.Certificate]) -> None:
        self._key, self._chain = key, chain
        self._leaves: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.redirect_to = ""

    def answer(self, path: str, authorization: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(path)
        if authorization != f"Bearer {TOKEN}" or body["credentialID"] != CREDENTIAL:
            raise Refused(401)
        match path:
            case "/csc/v1/credentials/info":
                return self._info()
            case "/csc/v1/credentials/authorize":
                return self._leave(body)
            case "/csc/v1/signatures/signHash":
                return self._signature(body)
        raise Refused(404)

    def _info(self) -> dict[str, Any]:
        certificates = [one.public_bytes(Encoding.DER) for one in self._chain]
        return {
            "key": {"status": "enabled", "algo": [_SHA256_WITH_RSA], "len": self._key.key_size},
            "cert": {"certificates": [base64.b64encode(one).decode() for one in certificates]},
            "authMode": "explicit",
            "SCAL": "2",
            "multisign": 1,
        }

    def _leave(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("PIN") != PIN or body["numSignatures"] != len(body["hash"]):
            raise Refused(400)
        leave = secrets.token_hex(16)
        self._leaves[leave] = body["hash"]
        return {"SAD": leave, "expiresIn": 60}

    def _signature(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._leaves.pop(body["SAD"], None) != body["hash"]:
            raise Refused(400)
        if (body["hashAlgo"], body["signAlgo"]) != (_SHA256, _SHA256_WITH_RSA):
            raise Refused(400)
        signed = [
            self._key.sign(base64.b64decode(one), PKCS1v15(), Prehashed(hashes.SHA256()))
            for one in body["hash"]
        ]
        return {"signatures": [base64.b64encode(one).decode() for one in signed]}


@contextlib.contextmanager
def at_work(service: SigningService) -> Iterator[str]:
    """The service on loopback: its address."""

    class Service(Handler):
        def respond(self) -> None:
            body = json.loads(self.body())
            headers = {"content_type": "application/json"}
            status, said = 200, {}
            try:
                if service.redirect_to:
                    headers["location"] = service.redirect_to + self.path
                    raise Refused(307)
                said = service.answer(self.path, self.headers.get("Authorization", ""), body)
            except Refused as refused:
                status, said = refused.args[0], {"error": "invalid_request"}
            self.answer(status, json.dumps(said).encode(), **headers)

    with answering(Service) as url:
        yield url
