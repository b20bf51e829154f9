"""Real outsiders on loopback: OpenSSL's time-stamping authority, and a small C2SP witness."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.notes import InvalidNote, split_note, verify
from audit.proofs import verify_consistency
from tests.answering import Handler, answering

_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
O = Lex Custis tests
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[tsa_cert]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[web_cert]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,serverAuth
[tsa]
default_tsa = standing
[standing]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/ca.pem
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha512
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""

Exchange = Callable[[str, bytes], tuple[int, str, bytes]]


@contextlib.contextmanager
def http_server(answer: Exchange, *, pause_seconds: float = 0) -> Iterator[str]:
    """Serve POSTs: *answer* maps path and body to status, media type and body."""

    class Outsider(Handler):
        def respond(self) -> None:
            status, media, data = answer(self.path, self.body())
            elsewhere = {"location": "/elsewhere"} if 300 <= status < 400 else {}
            self.begin(status, data, content_type=media, **elsewhere)
            step = 64 if pause_seconds else max(1, len(data))
            with contextlib.suppress(OSError):
                for start in range(0, len(data), step):
                    self.wfile.write(data[start : start + step])
                    self.wfile.flush()
                    time.sleep(pause_seconds)

    with answering(Outsider) as url:
        yield url


def _openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(
        ["openssl", *arguments], input=data, check=True, capture_output=True
    ).stdout


class OpensslAuthority:
    """A CA, a certificate for time stamping, and ``openssl ts -reply``."""

    def __init__(self, folder: Path, *, name: str = "Test TSA") -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.config = folder / "openssl.cnf"
        self.config.write_text(_CONFIG.format(name=name, folder=folder))
        (folder / "serial").write_text("01\n")
        key = ("-newkey", "rsa:2048", "-nodes", "-config", str(self.config))
        _openssl("req", "-x509", *key, "-days", "30", "-extensions", "ca",
                 "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem")  # fmt: skip
        _openssl("req", "-new", *key, "-subj", f"/CN={name} unit 1",
                 "-keyout", f"{folder}/tsa.key", "-out", f"{folder}/tsa.csr")  # fmt: skip
        _openssl("x509", "-req", "-in", f"{folder}/tsa.csr", "-days", "20",
                 "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-set_serial", "2",
                 "-extfile", str(self.config), "-extensions", "tsa_cert",
                 "-out", f"{folder}/tsa.pem")  # fmt: skip

    @property
    def ca_file(self) -> str:
        return f"{self.folder}/ca.pem"

    def reply(self, query: bytes) -> bytes:
        """The answer to a query, made by OpenSSL."""
        (self.folder / "query.tsq").write_bytes(query)
        return _openssl("ts", "-reply", "-config", str(self.config),
                        "-queryfile", f"{self.folder}/query.tsq")  # fmt: skip

    def reply_signed_by_a_web_server(self, query: bytes) -> bytes:
        """The answer that a certificate of the same CA would sign that is not for time stamping."""
        folder, key = self.folder, ("-newkey", "rsa:2048", "-nodes", "-config", str(self.config))
        _openssl("req", "-new", *key, "-subj", "/CN=web server", "-keyout", f"{folder}/web.key",
                 "-out", f"{folder}/web.csr")  # fmt: skip
        _openssl("x509", "-req", "-in", f"{folder}/web.csr", "-days", "20", "-set_serial", "3",
                 "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key",
                 "-extfile", str(self.config), "-extensions", "web_cert",
                 "-out", f"{folder}/web.pem")  # fmt: skip
        (folder / "honest.tsr").write_bytes(self.reply(query))
        honest = _openssl("ts", "-reply", "-in", f"{folder}/honest.tsr", "-token_out")
        content = _openssl("cms", "-verify", "-noverify", "-inform", "DER", data=honest)
        token = _openssl("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256",
                         "-econtent_type", "1.2.840.113549.1.9.16.1.4",
                         "-signer", f"{folder}/web.pem", "-inkey", f"{folder}/web.key",
                         data=content)  # fmt: skip
        body = b"\x30\x03\x02\x01\x00" + token  # the status "granted" before it
        return b"\x30\x82" + len(body).to_bytes(2, "big") + body

    def query(self, data: bytes, *options: str) -> bytes:
        """A query over *data*, made by OpenSSL."""
        (self.folder / "data").write_bytes(data)
        return _openssl("ts", "-query", "-data", f"{self.folder}/data", "-sha256", "-cert",
                        *options)  # fmt: skip

    def verifies(self, token: bytes, data: bytes) -> bool:
        """Whether ``openssl ts -verify`` accepts the answer over *data*."""
        (self.folder / "token.tsr").write_bytes(token)
        (self.folder / "data").write_bytes(data)
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-in", f"{self.folder}/token.tsr",
             "-data", f"{self.folder}/data", "-CAfile", self.ca_file],
            check=False, capture_output=True,
        )  # fmt: skip
        return done.returncode == 0

    def answer(self, _path: str, body: bytes) -> tuple[int, str, bytes]:
        """For :func:`http_server`."""
        return 200, "application/timestamp-reply", self.reply(body)


@dataclass
class SmallWitness:
    """A witness as C2SP ``tlog-witness`` describes it: it keeps heads and checks proofs."""

    log_key: str
    name: str = "witness.example/w1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    heads: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    asked: int = 0

    @property
    def vkey(self) -> str:
        public = self.key.public_key().public_bytes_raw()
        encoded = base64.b64encode(b"\x04" + public).decode()
        return f"{self.name}+{self._id.hex()}+{encoded}"

    @property
    def _id(self) -> bytes:
        public = self.key.public_key().public_bytes_raw()
        return hashlib.sha256(self.name.encode() + b"\n\x04" + public).digest()[:4]

    def answer(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """For :func:`http_server`."""
        self.asked += 1
        if path != "/add-checkpoint":
            return 404, "text/plain", b""
        above, _, note = body.decode().partition("\n\n")
        first, *encoded = above.split("\n")
        if not first.startswith("old "):
            return 400, "text/plain", b""
        try:
            head = verify(note, self.log_key)
        except InvalidNote:
            return 403, "text/plain", b""
        old_size, old_root = self.heads.get(head.origin, (0, hashlib.sha256(b"").digest()))
        if int(first[4:]) != old_size:
            return 409, "text/x.tlog.size", f"{old_size}\n".encode()
        if head.size == old_size and head.root != old_root:
            return 409, "text/plain", b""
        proof = [base64.b64decode(line) for line in encoded]
        if not verify_consistency(
            old_size=old_size, new_size=head.size,
            old_root=old_root, new_root=head.root, proof=proof,
        ):  # fmt: skip
            return 422, "text/plain", b""
        self.heads[head.origin] = (head.size, head.root)
        return 200, "text/plain", self.cosign(note).encode()

    def cosign(self, note: str) -> str:
        """The signature line over a checkpoint's text, at this witness's time."""
        seconds = int(self.clock())
        text = split_note(note)[0]
        signature = self.key.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
        data = base64.b64encode(self._id + struct.pack(">Q", seconds) + signature).decode()
        return f"\N{EM DASH} {self.name} {data}\n"
