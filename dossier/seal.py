"""The seal of a dossier's PDF: PAdES (ETSI EN 319 142-1), as far as the operator configured it.

What is printed about the seal is fixed before the page is set, and exactly that is then done: where
a step fails (no answer from the time-stamping authority, revocation that nobody tells about) there
is no weaker seal instead; the attempt fails and says why.

The seal is appended: the sealed file begins with the very bytes that the renderer made. So
``MANIFEST.json`` can name them although no two seals are alike (promise P6).
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings

from audit.posting import AnchorFailed
from audit.timestamps import Authority
from dossier.phrases import phrase
from dossier.seal_keys import (
    Pkcs11Key,
    Pkcs12Key,
    SealFailed,
    SealKey,
    SealUnavailable,
    as_asn1,
)

FIELD = "Seal"
_DECLARABLE = ("", "advanced", "qualified")


@dataclass(frozen=True, slots=True)
class SealFacts:
    """What page and manifest say about the seal.

    ``quality`` and ``timestamp`` keep to the closed lists of eIDAS words: whether something is
    qualified stands in trusted lists, which nothing here reads, so it is said who declared it.
    """

    level: str = "none"
    quality: str = "none"
    timestamp: str = "local clock"
    subject: str = ""
    issuer: str = ""
    certificate_sha256: str = ""

    @property
    def is_sealed(self) -> bool:
        """Whether there is a seal at all."""
        return self.level != "none"

    def as_json(self) -> dict[str, str]:
        """For MANIFEST.json."""
        return asdict(self)


@dataclass(frozen=True)
class Sealer:
    """A key, who stamps the time, and how far the seal goes.

    ``chain`` are the roots and intermediates of the key's certificate.
    """

    key: SealKey
    chain: tuple[x509.Certificate, ...] = ()
    authority: Authority | None = None
    is_long_term: bool = False
    declared: str = ""

    @property
    def level(self) -> str:
        """The level of PAdES that a PDF gets."""
        if self.authority is None:
            return "PAdES B-B"
        return "PAdES B-LTA" if self.is_long_term else "PAdES B-T"

    @cached_property
    def facts(self) -> SealFacts:
        """What will be printed. Raises :class:`SealUnavailable`."""
        certificate = self.key.certificate
        return SealFacts(
            level=self.level,
            quality=_quality(certificate, self.declared),
            timestamp=_timestamp(self.authority),
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            certificate_sha256=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        )

    def seal(self, pdf: bytes) -> bytes:
        """*pdf* with the seal appended. Raises :class:`SealUnavailable`, :class:`SealFailed`."""
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
        from pyhanko.sign.fields import SigFieldSpec
        from pyhanko.sign.signers import PdfSigner

        self._check_dates()
        output = io.BytesIO()
        try:
            with self.key.signer(self.chain) as signer:
                PdfSigner(
                    self._metadata(),
                    signer=signer,
                    timestamper=self._timestamper(),
                    new_field_spec=SigFieldSpec(FIELD, box=(0, 0, 0, 0)),
                ).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), output=output)
        except (SealUnavailable, SealFailed):
            raise
        except Exception as error:  # the library, and whom it asks, raise many kinds
            raise SealFailed(f"The PDF could not be sealed ({self.level}): {error}") from error
        sealed = output.getvalue()
        if not sealed.startswith(pdf):
            raise SealFailed("The seal was not appended to the PDF, but changed it.")
        self._check_seal(sealed)
        return sealed

    def _check_seal(self, sealed: bytes) -> None:
        """See that the seal is what will be said of it, as a reader's program would."""
        from pyhanko.pdf_utils.reader import PdfFileReader
        from pyhanko.sign.validation import validate_pdf_signature
        from pyhanko_certvalidator import ValidationContext

        roots = self.authority.certificates if self.authority else []
        status = validate_pdf_signature(
            PdfFileReader(io.BytesIO(sealed)).embedded_regular_signatures[0],
            ValidationContext(trust_roots=as_asn1([self.key.certificate])),
            ts_validation_context=ValidationContext(
                trust_roots=as_asn1([one for one in roots if _is_self_signed(one)]),
                other_certs=as_asn1([one for one in roots if not _is_self_signed(one)]),
            ),
        )
        if not (status.intact and status.valid):
            raise SealFailed("The seal does not verify.")
        stamp = status.timestamp_validity
        if self.authority and not (stamp and stamp.intact and stamp.valid and stamp.trusted):
            raise SealFailed(f"The time stamp of {self.authority.name} does not verify.")

    def _check_dates(self) -> None:
        certificate, now = self.key.certificate, datetime.now(UTC)
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not first <= now <= last:
            raise SealUnavailable(
                f"The seal's certificate is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d} only."
            )

    def _metadata(self) -> Any:
        from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
        from pyhanko.sign.signers import PdfSignatureMetadata

        return PdfSignatureMetadata(
            field_name=FIELD,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
            signer_key_usage={"digital_signature", "non_repudiation"},
            embed_validation_info=self.is_long_term,
            use_pades_lta=self.is_long_term,
            validation_context=self._validation_context() if self.is_long_term else None,
        )

    def _timestamper(self) -> Any:
        if self.authority is None:
            return None
        from dossier.seal_time import timestamper

        return timestamper(self.authority)

    def _validation_context(self) -> Any:
        """Trusts the configured roots; revocation must be known of all but roots (B-LT)."""
        from pyhanko_certvalidator import ValidationContext

        known = [*self.chain, *(self.authority.certificates if self.authority else ())]
        if _is_self_signed(self.key.certificate):
            known.append(self.key.certificate)
        return ValidationContext(
            trust_roots=as_asn1([one for one in known if _is_self_signed(one)]),
            other_certs=as_asn1([one for one in known if not _is_self_signed(one)]),
            allow_fetching=True,
            revocation_mode="require",
        )


def configured_sealer() -> Sealer | None:
    """The seal of this instance's settings, None where none is configured.

    Raises :class:`SealUnavailable` for settings that contradict each other or name what is not
    there; the certificate itself is read when it is first needed.
    """
    key = _configured_key()
    if key is None:
        return None
    declared = settings.SEAL_DECLARED_LEVEL
    if declared not in _DECLARABLE:
        raise SealUnavailable("SEAL_DECLARED_LEVEL is 'advanced', 'qualified' or empty.")
    authority = _configured_authority()
    if settings.SEAL_LONG_TERM and authority is None:
        raise SealUnavailable("SEAL_LONG_TERM needs SEAL_TIMESTAMP_AUTHORITY.")
    return Sealer(key, _configured_chain(), authority, settings.SEAL_LONG_TERM, declared)


def _configured_key() -> SealKey | None:
    names = ("SEAL_PKCS12_FILE", "SEAL_PKCS11", "SEAL_REMOTE")
    chosen = [name for name in names if getattr(settings, name)]
    if len(chosen) > 1:
        raise SealUnavailable(f"Set {' or '.join(chosen)}, not both.")
    match chosen:
        case ["SEAL_PKCS12_FILE"]:
            return Pkcs12Key(Path(settings.SEAL_PKCS12_FILE), settings.SEAL_PKCS12_PASSPHRASE)
        case ["SEAL_PKCS11"]:
            module, token, label = _named("SEAL_PKCS11", "module", "token", "certificate")
            return Pkcs11Key(module, token, settings.SEAL_PKCS11_PIN, label)
        case ["SEAL_REMOTE"]:
            from dossier.seal_remote import RemoteKey

            url, credential = _named("SEAL_REMOTE", "url", "credential")
            return RemoteKey(url, credential, settings.SEAL_REMOTE_TOKEN, settings.SEAL_REMOTE_PIN)
    return None


def _named(setting: str, *fields: str) -> list[str]:
    """The fields of a setting that is a JSON object with all of them."""
    row = getattr(settings, setting)
    if not (isinstance(row, dict) and all(isinstance(row.get(name), str) for name in fields)):
        listed = ", ".join(f"'{name}'" for name in fields[:-1])
        raise SealUnavailable(f"{setting} is a JSON object with {listed} and '{fields[-1]}'.")
    return [row[name] for name in fields]


def _configured_authority() -> Authority | None:
    row = settings.SEAL_TIMESTAMP_AUTHORITY
    if not row:
        return None
    try:
        authority = Authority(row["url"], row["ca_file"], row.get("qualified") is True)
        _ = authority.certificates
    except (KeyError, TypeError, AttributeError):
        raise SealUnavailable(
            "SEAL_TIMESTAMP_AUTHORITY is a JSON object with 'url', 'ca_file' and, where the "
            "authority is in a trusted list of the Union, 'qualified': true."
        ) from None
    except AnchorFailed as error:
        raise SealUnavailable(f"SEAL_TIMESTAMP_AUTHORITY: {error}") from error
    return authority


def _configured_chain() -> tuple[x509.Certificate, ...]:
    if not settings.SEAL_CA_FILE:
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(Path(settings.SEAL_CA_FILE).read_bytes()))
    except (OSError, ValueError) as error:
        raise SealUnavailable(f"SEAL_CA_FILE cannot be read: {error}") from error


def _quality(certificate: x509.Certificate, declared: str) -> str:
    if _is_self_signed(certificate):
        return phrase("electronic (self-signed)")
    match declared:
        case "advanced":
            return phrase("advanced, as the operator declares")
        case "qualified":
            return phrase("qualified, as the operator declares")
    return phrase("electronic")


def _timestamp(authority: Authority | None) -> str:
    if authority is None:
        return phrase("local clock")
    if authority.declared_qualified:
        return phrase(
            "RFC 3161, qualified as the operator declares (%(name)s)", name=authority.name
        )
    return phrase("RFC 3161, non-qualified (%(name)s)", name=authority.name)


def _is_self_signed(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject
