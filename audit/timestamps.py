"""Time stamps of RFC 3161: an authority outside says that a head existed at a time.

The token covers the signed note of a checkpoint, byte for byte, so that anybody can check it:
``openssl ts -verify -in TOKEN.tsr -data CHECKPOINT -CAfile CA.pem``.

Whether an authority is a qualified trust service (Art. 42 of Regulation (EU) No 910/2014) stands
in the trusted lists, which nothing here reads: it is what the operator declared, and said so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerifierBuilder,
    decode_timestamp_response,
)

from audit.posting import TIMEOUT_SECONDS, AnchorFailed, post
from audit.token_order import with_sorted_certificates

QUERY_MEDIA = "application/timestamp-query"
REPLY_MEDIA = "application/timestamp-reply"
# How far an authority's clock and ours may differ before its time is refused.
CLOCK_TOLERANCE = timedelta(minutes=5)
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")


@dataclass(frozen=True)
class Authority:
    """A time-stamping authority and the certificates it is trusted by.

    ``ca_file`` is a PEM file with the root, and any intermediate that the authority does not send.
    """

    url: str
    ca_file: str
    declared_qualified: bool = False

    @property
    def name(self) -> str:
        """The host name: how people know the authority."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @cached_property
    def certificates(self) -> list[x509.Certificate]:
        """The trusted certificates. Raises :class:`AnchorFailed` where the file is no use."""
        try:
            found = x509.load_pem_x509_certificates(Path(self.ca_file).read_bytes())
        except (OSError, ValueError) as error:
            raise AnchorFailed(f"Its CA file cannot be read: {error}") from error
        if not any(certificate.issuer == certificate.subject for certificate in found):
            raise AnchorFailed("Its CA file holds no root certificate.")
        return found


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """A verified answer of an authority: DER of a ``TimeStampResp``, and what it says."""

    token: bytes
    at: datetime
    serial: int
    policy: str


def request_time_stamp(
    data: bytes,
    authority: Authority,
    *,
    not_before: datetime | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> TimeStamp:
    """Have *data* time-stamped and verify the answer before anybody relies on it.

    Checked: status, imprint, nonce, signature, chain to the authority's root at the stamped time,
    extended key usage, and that the time lies between *not_before* (else the sending) and the
    receiving, give or take five minutes. Raises :class:`AnchorFailed`.
    """
    request = TimestampRequestBuilder(data, HashAlgorithm.SHA256).build()
    sent = datetime.now(UTC)
    answer = post(authority.url, request.as_bytes(), media=QUERY_MEDIA, timeout=timeout)
    if answer.status != 200:
        raise AnchorFailed(f"It answered with HTTP status {answer.status}.")
    if answer.media != REPLY_MEDIA:
        raise AnchorFailed(f"It answered with {answer.media or 'an unnamed media type'}.")
    stamp = verify_time_stamp(answer.body, data, authority.certificates, request=request)
    earliest = min(not_before or sent, sent) - CLOCK_TOLERANCE
    if not earliest <= stamp.at <= datetime.now(UTC) + CLOCK_TOLERANCE:
        raise AnchorFailed(f"Its time {stamp.at:%Y-%m-%d %H:%M:%S} UTC cannot be right.")
    return stamp


def verify_time_stamp(
    token: bytes,
    data: bytes,
    certificates: Sequence[x509.Certificate],
    *,
    request: TimeStampRequest | None = None,
) -> TimeStamp:
    """Check an answer over *data*, with *request* also its nonce. Raises :class:`AnchorFailed`."""
    response = _decode(token)
    builder = VerifierBuilder.from_request(request) if request else VerifierBuilder()
    for certificate in certificates:
        is_root = certificate.issuer == certificate.subject
        add = builder.add_root_certificate if is_root else builder.add_intermediate_certificate
        builder = add(certificate)
    try:
        if response.tst_info.message_imprint.hash_algorithm != _SHA256:
            raise AnchorFailed("The token's imprint is not made with SHA-256.")
        builder.build().verify(response, hashlib.sha256(data).digest())
        info = response.tst_info
        return TimeStamp(
            token=token,
            at=info.gen_time.astimezone(UTC),
            serial=info.serial_number,
            policy=info.policy.dotted_string,
        )
    except AnchorFailed:
        raise
    except Exception as error:  # the parsers raise many kinds for hostile bytes; none is accepted
        raise AnchorFailed(f"Its token is not valid: {error}.") from error


def _decode(token: bytes) -> TimeStampResponse:
    """Parse an answer; one without a token says its status instead."""
    try:
        response = decode_timestamp_response(with_sorted_certificates(token))
    except ValueError as error:
        raise AnchorFailed("It answered with something that is no time stamp.") from error
    if response.status not in {0, 1}:
        said = "; ".join(response.status_string)
        raise AnchorFailed(f"It refused (status {response.status}): {said or 'no reason given'}.")
    return response
