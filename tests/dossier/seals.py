"""A certificate authority for tests of seals: certificates, revocation lists, time stamps."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pikepdf
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.answering import Handler, answering
from tests.audit.outsiders import OpensslAuthority, http_server

PASSPHRASE = "correct horse"
_DAY = timedelta(days=1)


class SealAuthority:
    """OpenSSL's authority, which also issues certificates for seals and revocation lists.

    ``url`` stamps times; the lists are served on loopback under the address in the certificates.
    """

    def __init__(self, folder: Path, *, list_url: str) -> None:
        self.stamps = OpensslAuthority(folder)
        self.folder, self.list_url = folder, list_url
        self.url = ""
        key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        self.key = key
        self.certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        self._reissue_stamping_certificate()

    @property
    def ca_file(self) -> str:
        return self.stamps.ca_file

    def _reissue_stamping_certificate(self) -> None:
        """The same unit, with the address of the revocation list in its certificate."""
        key = load_pem_private_key((self.folder / "tsa.key").read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        certificate = self._issue("Test TSA unit 1", key, usage)
        (self.folder / "tsa.pem").write_bytes(certificate.public_bytes(Encoding.PEM))

    def _issue(
        self,
        name: str,
        key: RSAPrivateKey,
        usage: x509.ExtendedKeyUsage | None = None,
        *,
        days: int = 20,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * _DAY)
            .not_valid_after(now + days * _DAY)
            .add_extension(_key_usage(), critical=True)
            .add_extension(
                x509.CRLDistributionPoints(
                    [
                        x509.DistributionPoint(
                            [x509.UniformResourceIdentifier(self.list_url)], None, None, None
                        )
                    ]
                ),
                critical=False,
            )
        )
        if usage is not None:
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def seal_file(self, name: str = "Olivia's Bakery e-seal", *, days: int = 20) -> Path:
        """A PKCS#12 file with a key and its certificate from this authority."""
        path = self.folder / f"seal{days}.p12"
        if path.exists():
            return path
        key, certificate = self.seal_key(name, days=days)
        path.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"seal", key, certificate, None, BestAvailableEncryption(PASSPHRASE.encode())
            )
        )
        return path

    def seal_key(
        self, name: str = "Olivia's Bakery e-seal", *, days: int = 20
    ) -> tuple[RSAPrivateKey, x509.Certificate]:
        """A new key and its certificate from this authority."""
        key = generate_private_key(public_exponent=65537, key_size=2048)
        return key, self._issue(name, key, days=days)

    def revocation_list(self) -> bytes:
        """A list on which nobody stands, DER."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - _DAY).next_update(now + _DAY)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def self_signed_file(folder: Path, name: str = "Self-made seal") -> Path:
    """A PKCS#12 file with a certificate that nobody but its key vouches for."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY).not_valid_after(now + _DAY)
        .add_extension(_key_usage(), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "self.p12"
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"seal", key, certificate, None, BestAvailableEncryption(PASSPHRASE.encode())
        )
    )
    (folder / "self.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@contextlib.contextmanager
def authority(folder: Path) -> Iterator[SealAuthority]:
    """The authority at work: time stamps by POST, its revocation list by GET."""
    made: list[SealAuthority] = []

    class Lists(Handler):
        def respond(self) -> None:
            self.answer(200, made[0].revocation_list(), content_type="application/pkix-crl")

    with answering(Lists) as lists:
        made.append(SealAuthority(folder, list_url=f"{lists}/crl"))
        with http_server(made[0].stamps.answer) as url:
            made[0].url = url
            yield made[0]


# -- In the eyes of others' programs ---------------------------------------------------------------


def pdfsig(pdf: bytes, folder: Path) -> str:
    path = folder / "sealed.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(
        ["pdfsig", "-nocert", str(path)], capture_output=True, text=True, check=False
    )
    return done.stdout


def signed_bytes(pdf: bytes, number: int = 0) -> tuple[bytes, bytes]:
    """What a signature covers, and the signature (CMS, DER)."""
    with pikepdf.open(io.BytesIO(pdf)) as paper:
        value = paper.Root.AcroForm.Fields[number].V
        start, length, second, rest = (int(n) for n in value.ByteRange)
        cms = bytes(value.Contents)
    return pdf[start : start + length] + pdf[second : second + rest], _der(cms)


def _der(padded: bytes) -> bytes:
    """Without the zeros that fill the room kept for it."""
    count = padded[1] & 0x7F
    return padded[: 2 + count + int.from_bytes(padded[2 : 2 + count], "big")]


def openssl_verifies(pdf: bytes, ca_file: str, folder: Path) -> bool:
    covered, cms = signed_bytes(pdf)
    (folder / "covered").write_bytes(covered)
    (folder / "seal.der").write_bytes(cms)
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", f"{folder}/seal.der",
         "-content", f"{folder}/covered", "-CAfile", ca_file, "-purpose", "any",
         "-out", "/dev/null"],
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0
