"""A key that is elsewhere: a signing service of the Cloud Signature Consortium's API, version 1.

The service is told the hash of what is to be signed, never the document (CSC API 1.0.4:
``credentials/info``, ``credentials/authorize``, ``signatures/signHash``). Whoever holds the token
and the PIN can have anything sealed: they are secrets like a key file and its passphrase.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import aiohttp
from cryptography import x509
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import Signer
from pyhanko.sign.signers.csc_signer import (
    CSCAuthorizationInfo,
    CSCAuthorizationManager,
    CSCCredentialInfo,
    CSCServiceSessionInfo,
    CSCSigner,
    base64_digest,
    fetch_certs_in_csc_credential,
)
from pyhanko_certvalidator.registry import SimpleCertificateStore

from dossier.seal_keys import SealFailed, as_asn1

_T = TypeVar("_T")
TIMEOUT_SECONDS = 30
_SIGNATURE_BYTES = 1024  # more than any key's signature: the room that the PDF keeps


@dataclass(frozen=True)
class RemoteKey:
    """The *credential* of a service at *url*; *token* is for the service, *pin* for the key."""

    url: str
    credential: str
    token: str
    pin: str

    @property
    def _service(self) -> CSCServiceSessionInfo:
        return CSCServiceSessionInfo(self.url.rstrip("/"), self.credential, self.token or None)

    @cached_property
    def _info(self) -> CSCCredentialInfo:
        async def ask() -> CSCCredentialInfo:
            async with _session() as session:
                return await fetch_certs_in_csc_credential(
                    session, self._service, timeout=TIMEOUT_SECONDS
                )

        return asyncio.run(_said(ask, f"The signing service {self.url} gave no certificate"))

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate as the service has it. Raises :class:`SealFailed`."""
        data: bytes = self._info.signing_cert.dump()  # type: ignore[no-untyped-call]
        return x509.load_der_x509_certificate(data)

    @contextlib.contextmanager
    def signer(self, others: Sequence[x509.Certificate]) -> Iterator[Any]:
        """A signer that has the service sign one hash at a time, each authorised by itself."""
        yield _RemoteSigner(self, self._service, self._info, as_asn1(others))


class _RemoteSigner(Signer):
    def __init__(
        self,
        key: RemoteKey,
        service: CSCServiceSessionInfo,
        info: CSCCredentialInfo,
        others: Sequence[Any],
    ) -> None:
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        store.register_multiple([info.signing_cert, *info.chain, *others])
        super().__init__(signing_cert=info.signing_cert, cert_registry=store)
        self._key, self._service, self._info = key, service, info

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        if dry_run:
            return bytes(_SIGNATURE_BYTES)

        async def ask() -> bytes:
            async with _session() as session:
                granting = _Authorisation(self._service, self._info, session, self._key.pin)
                asked = await CSCSigner(session, granting).format_csc_signing_req(
                    [base64_digest(data, digest_algorithm)], digest_algorithm
                )
                answer = await _post(session, self._service, "signatures/signHash", asked)
                return base64.b64decode(answer["signatures"][0])

        return await _said(ask, f"The signing service {self._key.url} did not sign")


class _Authorisation(CSCAuthorizationManager):
    """Asks for leave to sign these very hashes, with the PIN."""

    def __init__(
        self,
        service: CSCServiceSessionInfo,
        info: CSCCredentialInfo,
        session: aiohttp.ClientSession,
        pin: str,
    ) -> None:
        super().__init__(service, info)
        self._session, self._pin = session, pin

    async def authorize_signature(self, hash_b64s: list[str]) -> CSCAuthorizationInfo:
        asked = self.format_csc_auth_request(pin=self._pin or None, hash_b64s=hash_b64s)
        answer = await _post(self._session, self.csc_session_info, "credentials/authorize", asked)
        return self.parse_csc_auth_response(answer)


async def _post(
    session: aiohttp.ClientSession, service: CSCServiceSessionInfo, name: str, body: dict[str, Any]
) -> dict[str, Any]:
    url = service.endpoint_url(name)  # type: ignore[no-untyped-call]
    async with session.post(
        url, headers=service.auth_headers, json=body, raise_for_status=True
    ) as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def _said(ask: Callable[[], Awaitable[_T]], what: str) -> _T:
    """What *ask* returns. Raises :class:`SealFailed`, with no more of an answer than its status."""
    try:
        return await ask()
    except (SigningError, aiohttp.ClientError, TimeoutError, LookupError, ValueError) as error:
        cause = error.__cause__ or error
        status = getattr(cause, "status", None)
        reason = f"status {status}" if status else type(cause).__name__
        raise SealFailed(f"{what} ({reason}).") from None


@contextlib.asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that follows no redirection: token and PIN go where they were meant to go."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trace_configs=[trace]) as session:
        yield session


async def _refuse(*_redirection: Any) -> None:
    raise aiohttp.ClientError("A signing service that sends elsewhere is not asked.")
