"""What outsiders answer is checked before anybody relies on it."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from audit.hashing import Frontier, leaf_hash
from audit.notes import Head, sign, verification_key
from audit.posting import AnchorFailed
from audit.proofs import verify_consistency
from audit.timestamps import Authority, request_time_stamp, verify_time_stamp
from audit.tree import consistency_ranges
from audit.witnesses import Witness, request_cosignature, verify_cosignature
from tests.audit.outsiders import Exchange, OpensslAuthority, SmallWitness, http_server

DATA = b"a checkpoint"


@pytest.fixture(scope="session")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    return OpensslAuthority(tmp_path_factory.mktemp("tsa") / "right")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    return OpensslAuthority(tmp_path_factory.mktemp("tsa") / "wrong", name="Somebody else")


@pytest.fixture
def authority(openssl: OpensslAuthority) -> Iterator[Authority]:
    with http_server(openssl.answer) as url:
        yield Authority(url, openssl.ca_file)


def refused(
    openssl: OpensslAuthority, answer: Exchange, *, timeout: float = 5, pause_seconds: float = 0
) -> str:
    """Ask a server that answers so; the reason it was refused for."""
    with (
        http_server(answer, pause_seconds=pause_seconds) as url,
        pytest.raises(AnchorFailed) as caught,
    ):
        request_time_stamp(DATA, Authority(url, openssl.ca_file), timeout=timeout)
    return str(caught.value)


def reply(
    body: bytes, *, status: int = 200, media: str = "application/timestamp-reply"
) -> Exchange:
    return lambda _path, _query: (status, media, body)


def test_a_real_authority_stamps_and_openssl_agrees(
    authority: Authority, openssl: OpensslAuthority
) -> None:
    stamp = request_time_stamp(DATA, authority)
    assert abs(stamp.at - datetime.now(UTC)) < timedelta(seconds=10)
    assert stamp.policy == "1.3.6.1.4.1.99999.1"
    assert openssl.verifies(stamp.token, DATA)
    assert not openssl.verifies(stamp.token, DATA + b".")
    again = verify_time_stamp(stamp.token, DATA, authority.certificates)
    assert again == stamp


def test_certificates_in_any_order_are_understood(
    authority: Authority, openssl: OpensslAuthority
) -> None:
    for _ in range(3):
        token = request_time_stamp(DATA, authority).token
        root = authority.certificates[0].public_bytes(Encoding.DER)
        assert root in token
        bag = _bag_with(token, root)
        swapped = token.replace(bag, bag.replace(root, b"") + root)
        turned = token.replace(bag, root + bag.replace(root, b""))
        assert sorted([swapped == token, turned == token]) == [False, True]
        for variant in (swapped, turned):
            assert verify_time_stamp(variant, DATA, authority.certificates)
            assert openssl.verifies(variant, DATA)


def _bag_with(token: bytes, root: bytes) -> bytes:
    """Both certificates of a token, as they stand beside each other."""
    leaf_first = token.index(root)
    for other in range(max(0, leaf_first - 3000), len(token)):
        if token[other : other + 2] == b"\x30\x82":
            end = other + 4 + int.from_bytes(token[other + 2 : other + 4], "big")
            if end == leaf_first and end - other > 500:
                return token[other:leaf_first] + root
            if other == leaf_first + len(root):
                return root + token[other:end]
    raise AssertionError("The token holds one certificate only.")


def test_a_token_over_something_else_is_refused(openssl: OpensslAuthority) -> None:
    def other_imprint(_path: str, _query: bytes) -> tuple[int, str, bytes]:
        token = openssl.reply(openssl.query(b"something else", "-no_nonce"))
        return 200, "application/timestamp-reply", token

    assert "Nonce" in refused(openssl, other_imprint)
    token = openssl.reply(openssl.query(b"something else"))
    with pytest.raises(AnchorFailed, match="Mismatch between messages"):
        verify_time_stamp(token, DATA, Authority("", openssl.ca_file).certificates)


def test_an_answer_to_an_earlier_question_is_refused(openssl: OpensslAuthority) -> None:
    replayed = openssl.reply(openssl.query(DATA))
    assert "Nonce" in refused(openssl, reply(replayed))


def test_an_authority_nobody_trusts_is_refused(
    openssl: OpensslAuthority, stranger: OpensslAuthority
) -> None:
    assert "not valid" in refused(openssl, stranger.answer)


def test_a_certificate_that_is_not_for_time_stamping_is_refused(openssl: OpensslAuthority) -> None:
    def web_server(_path: str, query: bytes) -> tuple[int, str, bytes]:
        token = openssl.reply_signed_by_a_web_server(query)
        return 200, "application/timestamp-reply", token

    assert "not valid" in refused(openssl, web_server)


def test_a_refusal_is_told_in_the_authoritys_words(openssl: OpensslAuthority) -> None:
    def confused(_path: str, _query: bytes) -> tuple[int, str, bytes]:
        return 200, "application/timestamp-reply", openssl.reply(b"no query at all")

    assert "refused (status 2)" in refused(openssl, confused)


@pytest.mark.parametrize(
    ("body", "media", "status", "reason"),
    [
        (b"", "application/timestamp-reply", 200, "no time stamp"),
        (b"\x30\x82\xff\xff" * 10, "application/timestamp-reply", 200, "no time stamp"),
        (b"<html>maintenance</html>", "text/html", 200, "answered with text/html"),
        (b"busy", "text/plain", 503, "HTTP status 503"),
        (b"", "text/plain", 302, "HTTP status 302"),
        (b"x" * 70_000, "application/timestamp-reply", 200, "larger than 65536"),
    ],
)
def test_garbage_and_errors_are_refused(
    openssl: OpensslAuthority, body: bytes, media: str, status: int, reason: str
) -> None:
    assert reason in refused(openssl, reply(body, status=status, media=media))


def test_every_damaged_token_is_refused(openssl: OpensslAuthority, authority: Authority) -> None:
    token = request_time_stamp(DATA, authority).token
    accepted = []
    for place in range(0, len(token), 3):
        damaged = bytearray(token)
        damaged[place] ^= 1 << place % 8
        try:
            verify_time_stamp(bytes(damaged), DATA, authority.certificates)
        except AnchorFailed:
            continue
        accepted.append(place)
    # Three places bind nobody: the root that the authority sends along (the one we trust is ours),
    # the number of the structure's version, and the name of the signature's algorithm (the key
    # decides).
    root = authority.certificates[0].public_bytes(Encoding.DER)
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    signer = token.index(root) + len(root)
    free = {
        *range(token.index(root), signer),
        token.index(bytes.fromhex("02010130"), signer) + 2,
        *range(token.rindex(algorithm), token.rindex(algorithm) + len(algorithm)),
    }
    assert [place for place in accepted if place not in free] == []
    for length in range(0, len(token), 97):
        with pytest.raises(AnchorFailed):
            verify_time_stamp(token[:length], DATA, authority.certificates)


def test_an_authority_that_does_not_answer_is_given_up(openssl: OpensslAuthority) -> None:
    def sleeps(_path: str, _query: bytes) -> tuple[int, str, bytes]:
        time.sleep(1)
        return 200, "application/timestamp-reply", b""

    assert "0.3 seconds" in refused(openssl, sleeps, timeout=0.3)


def test_an_authority_that_drips_is_given_up(openssl: OpensslAuthority) -> None:
    started = time.monotonic()
    reason = refused(openssl, reply(b"x" * 64 * 100), timeout=0.5, pause_seconds=0.1)
    assert "0.5 seconds" in reason
    assert time.monotonic() - started < 5


def test_nobody_there(openssl: OpensslAuthority) -> None:
    with http_server(reply(b"")) as url:
        pass
    with pytest.raises(AnchorFailed, match="Cannot be reached"):
        request_time_stamp(DATA, Authority(url, openssl.ca_file), timeout=2)


def test_a_wrong_clock_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=1)

    monkeypatch.setattr("audit.timestamps.datetime", Tomorrow)
    with pytest.raises(AnchorFailed, match="cannot be right"):
        request_time_stamp(DATA, authority)


def test_a_ca_file_that_is_no_use_is_named(tmp_path: Path, openssl: OpensslAuthority) -> None:
    with http_server(openssl.answer) as url:
        for content in ("", (openssl.folder / "tsa.pem").read_text()):
            (tmp_path / "ca.pem").write_text(content)
            with pytest.raises(AnchorFailed, match="CA file"):
                request_time_stamp(DATA, Authority(url, str(tmp_path / "ca.pem")))
        with pytest.raises(AnchorFailed, match="CA file"):
            request_time_stamp(DATA, Authority(url, str(tmp_path / "absent.pem")))


class MemoryLog:
    """A log in memory, to ask witnesses about."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.leaves: list[bytes] = []
        self.vkey = verification_key("log.example", self.key.public_key().public_bytes_raw())

    def note(self, size: int, *, fork: bool = False) -> str:
        while len(self.leaves) < size:
            self.leaves.append(leaf_hash(str(len(self.leaves)).encode()))
        head = Head("log.example/o/1", size, self.root(0, size, fork=fork))
        return f"{head.text}\n{sign(head.text, name='log.example', private_key=self.key)}"

    def root(self, start: int, end: int, *, fork: bool = False) -> bytes:
        frontier = Frontier()
        leaves = [leaf_hash(b"forged"), *self.leaves[1:]] if fork else self.leaves
        frontier.extend(leaves[start:end])
        return frontier.root

    def proof(self, old: int, new: int) -> list[bytes]:
        return [self.root(*range_) for range_ in consistency_ranges(old, new)]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def small(log: MemoryLog) -> SmallWitness:
    return SmallWitness(log.vkey)


@pytest.fixture
def witness(small: SmallWitness) -> Iterator[Witness]:
    with http_server(small.answer) as url:
        yield Witness(url, small.vkey)


def test_a_witness_cosigns_what_extends_what_it_knows(
    log: MemoryLog, small: SmallWitness, witness: Witness
) -> None:
    last = 0
    for size in (1, 5, 5, 64, 300, 301):
        note = log.note(size)
        got = request_cosignature(note, witness, old_size=last, consistency_proof=log.proof)
        assert verify_cosignature(got.line, note, witness) == got
        assert abs(got.at - datetime.now(UTC)) < timedelta(seconds=10)
        last = size
    assert small.heads["log.example/o/1"][0] == 301
    assert small.asked == 6


def test_a_witness_that_remembers_another_size_is_asked_again(
    log: MemoryLog, small: SmallWitness, witness: Witness
) -> None:
    small.answer("/add-checkpoint", b"old 0\n\n" + log.note(7).encode())
    request_cosignature(log.note(20), witness, old_size=3, consistency_proof=log.proof)
    assert small.heads["log.example/o/1"][0] == 20


def test_a_witness_refuses_a_log_that_went_back_or_forked(
    log: MemoryLog, small: SmallWitness, witness: Witness
) -> None:
    request_cosignature(log.note(20), witness, old_size=0, consistency_proof=log.proof)
    with pytest.raises(AnchorFailed, match="already signed 20"):
        request_cosignature(log.note(19), witness, old_size=0, consistency_proof=log.proof)
    with pytest.raises(AnchorFailed, match="another head of the same size"):
        request_cosignature(
            log.note(20, fork=True), witness, old_size=20, consistency_proof=log.proof
        )
    with pytest.raises(AnchorFailed, match="another history"):
        request_cosignature(
            log.note(30, fork=True), witness, old_size=20, consistency_proof=log.proof
        )
    assert small.heads["log.example/o/1"][0] == 20


def test_a_witness_that_does_not_know_the_log_says_so(log: MemoryLog) -> None:
    other = SmallWitness(MemoryLog().vkey)
    with http_server(other.answer) as url, pytest.raises(AnchorFailed, match="does not know"):
        request_cosignature(
            log.note(1), Witness(url, other.vkey), old_size=0, consistency_proof=log.proof
        )


def test_a_wrong_cosignature_is_refused(log: MemoryLog, small: SmallWitness) -> None:
    note = log.note(4)
    impostor = SmallWitness(log.vkey)
    forged = impostor.cosign(note)
    witness = Witness("", small.vkey)
    late = SmallWitness(log.vkey, key=small.key, clock=lambda: time.time() - 3600)
    data = base64.b64decode(small.cosign(note).split(" ")[2])
    short = f"\N{EM DASH} {small.name} {base64.b64encode(data[:20]).decode()}\n"
    cases = {
        "not a signature of": forged,
        "does not fit": small.cosign(log.note(3)),
        "76 bytes": short,
        "not a line": "nothing\n",
    }
    for reason, line in cases.items():
        with pytest.raises(AnchorFailed, match=reason):
            verify_cosignature(line, note, witness)
    for body, reason in ((b"", "no signature of"), (late.cosign(note).encode(), "is wrong")):
        with (
            http_server(reply(body, media="text/plain")) as url,
            pytest.raises(AnchorFailed, match=reason),
        ):
            request_cosignature(
                note, Witness(url, small.vkey), old_size=0, consistency_proof=log.proof
            )


def test_a_key_of_another_kind_is_refused(log: MemoryLog) -> None:
    with pytest.raises(AnchorFailed, match="0x04"):
        Witness("", log.vkey).check_key()
    for broken in ("", "name", "name+00000000+????", SmallWitness("").vkey.replace("+", "+0", 1)):
        with pytest.raises(AnchorFailed):
            Witness("", broken).check_key()


def test_the_memory_logs_proofs_are_right(log: MemoryLog) -> None:
    log.note(40)
    assert verify_consistency(
        old_size=7, new_size=40, old_root=log.root(0, 7), new_root=log.root(0, 40),
        proof=log.proof(7, 40),
    )  # fmt: skip
