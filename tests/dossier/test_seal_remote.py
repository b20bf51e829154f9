"""A seal by a signing service: the service sees a hash, the seal is as good as one made here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dossier.seal import Sealer, configured_sealer
from dossier.seal_keys import SealFailed
from dossier.seal_remote import RemoteKey
from tests.dossier.remote_signing import CREDENTIAL, PIN, TOKEN, SigningService, at_work
from tests.dossier.seals import SealAuthority, openssl_verifies, pdfsig


@pytest.fixture
def service(outsider: SealAuthority) -> SigningService:
    key, certificate = outsider.seal_key()
    return SigningService(key, [certificate, outsider.certificate])


@pytest.fixture
def url(service: SigningService) -> Iterator[str]:
    with at_work(service) as address:
        yield address


def test_a_service_seals_as_its_settings_say(
    outsider, service, url, paper, settings, tmp_path
) -> None:
    settings.SEAL_REMOTE = {"url": f"{url}/", "credential": CREDENTIAL}
    settings.SEAL_REMOTE_TOKEN, settings.SEAL_REMOTE_PIN = TOKEN, PIN
    settings.SEAL_TIMESTAMP_AUTHORITY = {"url": outsider.url, "ca_file": outsider.ca_file}
    made = configured_sealer()
    assert made is not None
    assert (made.facts.subject, made.facts.level) == ("CN=Olivia's Bakery e-seal", "PAdES B-T")
    sealed = made.seal(paper)
    said = pdfsig(sealed, tmp_path)
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert openssl_verifies(sealed, outsider.ca_file, tmp_path)
    assert service.asked == [
        f"/csc/v1/{name}"
        for name in ("credentials/info", "credentials/authorize", "signatures/signHash")
    ]


@pytest.mark.parametrize(
    ("token", "pin", "said"),
    [("another", PIN, "gave no certificate .status 401"), (TOKEN, "1", "did not sign .status 400")],
)
def test_a_refusal_is_said_without_token_and_pin(url, paper, token, pin, said) -> None:
    with pytest.raises(SealFailed, match=said) as error:
        Sealer(RemoteKey(url, CREDENTIAL, token, pin)).seal(paper)
    assert token not in str(error.value)


def test_a_service_that_does_not_answer_is_tried_again_later(paper) -> None:
    with pytest.raises(SealFailed, match="gave no certificate"):
        Sealer(RemoteKey("http://127.0.0.1:9", CREDENTIAL, TOKEN, PIN)).seal(paper)


def test_token_and_pin_are_sent_to_nobody_else(outsider, service, url, paper) -> None:
    key, certificate = outsider.seal_key()
    other = SigningService(key, [certificate])
    with at_work(other) as elsewhere:
        service.redirect_to = elsewhere
        with pytest.raises(SealFailed, match="gave no certificate"):
            Sealer(RemoteKey(url, CREDENTIAL, TOKEN, PIN)).seal(paper)
    assert other.asked == []


def test_a_signature_by_another_key_is_no_seal(outsider, service, url, paper) -> None:
    service._key, _ = outsider.seal_key()
    with pytest.raises(SealFailed, match="does not verify"):
        Sealer(RemoteKey(url, CREDENTIAL, TOKEN, PIN)).seal(paper)
