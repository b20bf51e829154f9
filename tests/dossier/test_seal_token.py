"""A seal whose key is in a token: SoftHSM, spoken to by PKCS#11 as any hardware is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.timestamps import Authority
from dossier.seal import Sealer, configured_sealer
from dossier.seal_keys import Pkcs11Key, SealUnavailable
from tests.dossier.seals import SealAuthority, openssl_verifies, pdfsig

TOKEN, LABEL, PIN = "lexcustis", "seal", "294657"
MODULES = [
    path
    for folder in ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")
    for path in Path(folder).glob("**/softhsm/libsofthsm2.so")
]

pytestmark = pytest.mark.skipif(
    not MODULES or shutil.which("softhsm2-util") is None, reason="SoftHSM is not installed"
)


@pytest.fixture(scope="module")
def token(
    outsider: SealAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A token with a key and its certificate; the value of SEAL_PKCS11."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    key, certificate = outsider.seal_key()
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", f"{folder}/softhsm2.conf")
        _softhsm("--init-token", "--free", "--label", TOKEN, "--so-pin", "12345678", "--pin", PIN)
        _softhsm(
            "--import", f"{folder}/key.pem", "--token", TOKEN, "--label", LABEL,
            "--id", "01", "--pin", PIN,
        )  # fmt: skip
        (folder / "key.pem").unlink()
        _put_certificate(certificate.public_bytes(Encoding.DER))
        yield {"module": str(MODULES[0]), "token": TOKEN, "certificate": LABEL}


def _softhsm(*arguments: str) -> None:
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, env=os.environ)


def _put_certificate(certificate: bytes) -> None:
    import pkcs11
    from pkcs11.util.x509 import decode_x509_certificate

    found = pkcs11.lib(str(MODULES[0])).get_token(token_label=TOKEN)
    with found.open(rw=True, user_pin=PIN) as session:
        session.create_object(
            decode_x509_certificate(certificate)
            | {
                pkcs11.Attribute.TOKEN: True,
                pkcs11.Attribute.LABEL: LABEL,
                pkcs11.Attribute.ID: b"\x01",
            }
        )


def test_a_token_seals_as_its_settings_say(outsider, token, paper, settings, tmp_path) -> None:
    settings.SEAL_PKCS11, settings.SEAL_PKCS11_PIN = token, PIN
    settings.SEAL_CA_FILE = outsider.ca_file
    settings.SEAL_TIMESTAMP_AUTHORITY = {"url": outsider.url, "ca_file": outsider.ca_file}
    made = configured_sealer()
    assert made is not None
    assert made.facts.subject == "CN=Olivia's Bakery e-seal"
    assert made.facts.level == "PAdES B-T"
    sealed = made.seal(paper)
    said = pdfsig(sealed, tmp_path)
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert openssl_verifies(sealed, outsider.ca_file, tmp_path)
    assert made.seal(paper).startswith(paper), "and again, with a session of its own"


def test_a_token_seals_for_the_long_term(outsider, token, paper, tmp_path) -> None:
    key = Pkcs11Key(token["module"], TOKEN, PIN, LABEL)
    stamps = Authority(outsider.url, outsider.ca_file)
    sealed = Sealer(key, (outsider.certificate,), stamps, is_long_term=True).seal(paper)
    assert "Signature is Valid" in pdfsig(sealed, tmp_path)
    assert b"/DocTimeStamp" in sealed


@pytest.mark.parametrize(
    ("name", "pin", "label"),
    [(TOKEN, "000000", LABEL), ("another", PIN, LABEL), (TOKEN, PIN, "another")],
)
def test_what_is_wrong_with_a_token_is_said_without_its_pin(token, name, pin, label) -> None:
    key = Pkcs11Key(token["module"], name, pin, label)
    with pytest.raises(SealUnavailable, match=f"{name} or its certificate {label}") as error:
        _ = key.certificate
    assert pin not in str(error.value)
    assert Pkcs11Key(token["module"], TOKEN, PIN, LABEL).certificate, "nobody is left logged in"
