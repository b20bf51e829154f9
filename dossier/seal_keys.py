"""Where the key of the seal is: in a PKCS#12 file, or in a token that speaks PKCS#11.

What a service elsewhere holds is in :mod:`dossier.seal_remote`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12


class SealUnavailable(RuntimeError):
    """The configured seal cannot be used; trying again changes nothing. The message says why."""


class SealFailed(RuntimeError):
    """Sealing did not work this time, for instance since an authority gave no answer."""


class SealKey(Protocol):
    """A certificate, and a way to sign as its subject."""

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that the seal names. Raises :class:`SealUnavailable`."""
        ...

    def signer(self, others: Sequence[x509.Certificate]) -> contextlib.AbstractContextManager[Any]:
        """A signer for pyhanko while the context is open; *others* are the seal's chain."""
        ...


@dataclass(frozen=True)
class Pkcs12Key:
    """A key in a file: it is in this process's memory while it signs."""

    path: Path
    passphrase: str

    @cached_property
    def _data(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise SealUnavailable(f"SEAL_PKCS12_FILE cannot be read: {error.strerror}.") from error

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The certificate that belongs to the key."""
        try:
            content = pkcs12.load_pkcs12(self._data, self._secret)
        except ValueError:
            raise SealUnavailable(
                "SEAL_PKCS12_FILE is no PKCS#12 file, or SEAL_PKCS12_PASSPHRASE does not open it."
            ) from None
        if content.key is None or content.cert is None:
            raise SealUnavailable("SEAL_PKCS12_FILE holds no key with its certificate.")
        return content.cert.certificate

    @property
    def _secret(self) -> bytes | None:
        return self.passphrase.encode() or None

    @contextlib.contextmanager
    def signer(self, others: Sequence[x509.Certificate]) -> Iterator[Any]:
        """A signer with the key from the file."""
        from pyhanko.sign.signers import SimpleSigner

        _ = self.certificate  # says what is wrong with the file, if anything is
        yield SimpleSigner.load_pkcs12_data(
            self._data, other_certs=as_asn1(others), passphrase=self._secret
        )


@dataclass(frozen=True)
class Pkcs11Key:
    """A key in a token, found by the *label* of its certificate: the token signs."""

    module: str
    token: str
    pin: str
    label: str

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The certificate in the token."""
        with self.signer(()) as signer:
            return x509.load_der_x509_certificate(signer.signing_cert.dump())

    @contextlib.contextmanager
    def signer(self, others: Sequence[x509.Certificate]) -> Iterator[Any]:
        """A signer that has the token sign; the session ends with the context."""
        try:
            import pkcs11  # noqa: F401 - an extra: most instances have no token
            from pyhanko.config.pkcs11 import TokenCriteria
            from pyhanko.sign.pkcs11 import PKCS11Signer, open_pkcs11_session
        except ImportError as error:
            raise SealUnavailable(
                "SEAL_PKCS11 is set, but python-pkcs11 is not installed: pip install python-pkcs11"
            ) from error
        with contextlib.ExitStack() as stack:
            try:
                session = stack.enter_context(
                    open_pkcs11_session(
                        self.module,
                        token_criteria=TokenCriteria(label=self.token),
                        user_pin=self.pin or None,  # some tokens have a keypad of their own
                    )
                )
                signer = PKCS11Signer(session, cert_label=self.label, ca_chain=set(as_asn1(others)))
                _ = signer.signing_cert
            except Exception as error:  # each token's driver raises its own; they may show the PIN
                raise SealUnavailable(
                    f"The token {self.token} or its certificate {self.label} cannot be used: "
                    f"{type(error).__name__}."
                ) from None
            yield signer


def as_asn1(certificates: Sequence[x509.Certificate]) -> list[Any]:
    """The certificates as pyhanko wants them."""
    from asn1crypto.x509 import Certificate

    load: Callable[[bytes], Any] = Certificate.load
    return [load(one.public_bytes(Encoding.DER)) for one in certificates]
